"""Catalog's own settings, beside those that every service has."""

from pydantic import Field

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

    @property
    def producers_url(self) -> str:
        """Return the brokers' address to tell producers."""
        return self.public_kafka_url or self.kafka_url
