"""Catalog's own settings, beside those that every service has."""

from datetime import timedelta

from pydantic import Field, field_validator

from chassis.remembering import REMEMBERED
from chassis.settings import Settings


class CatalogSettings(Settings):
    """Where producers connect, and how much an upload may hold."""

    #: Brokers as tenants' producers reach them; the services' own address when unset.
    public_kafka_url: str | None = None
    #: Largest upload as sent, and as unpacked, in bytes.
    max_upload_bytes: int = Field(default=500 * 1024 * 1024, ge=1)
    max_unpacked_bytes: int = Field(default=4 * 1024 * 1024 * 1024, ge=1)
    #: Most rows and columns of an uploaded table.
    max_table_rows: int = Field(default=50_000_000, ge=1)
    max_table_columns: int = Field(default=1000, ge=1)
    #: Days for which interactions are kept here; 0 keeps them for ever. What a producer or a topic
    #: may still send again has to be known as a repeat, hence the least.
    interaction_days: float = Field(default=0, ge=0)

    @field_validator("interaction_days")
    @classmethod
    def _outlasts_repeats(cls, days: float) -> float:
        least = REMEMBERED / timedelta(days=1)
        if 0 < days < least:
            raise ValueError(f"0 keeps interactions for ever, else it is {least:.0f} at least")
        return days

    @property
    def interaction_memory(self) -> timedelta | None:
        """Return how long interactions are kept; None is for ever."""
        return timedelta(days=self.interaction_days) if self.interaction_days else None

    @property
    def producers_url(self) -> str:
        """Return the brokers' address to tell producers."""
        return self.public_kafka_url or self.kafka_url
