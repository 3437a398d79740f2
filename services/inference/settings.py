"""The settings that are inference's own."""

from datetime import timedelta
from typing import Self

from pydantic import Field, field_validator

from chassis.settings import Settings


class InferenceSettings(Settings):
    """Bounds of memory and disk, and what to load first."""

    #: Memory that models of all tenants may hold together, in bytes.
    model_memory_bytes: int = 1024**3
    #: Disk that local copies of artefacts may take, in bytes.
    model_disk_bytes: int = 20 * 1024**3
    #: Ids of the models to load first and let go of last, separated by commas.
    preload_model_ids: str = ""
    #: Disk that announcements of answers may take while their topic is away, in bytes.
    spool_bytes: int = 1024**3
    #: Seconds to wait for a model, slot or item that was announced but has not been heard of yet.
    patience: float = 1.0
    #: Days for which jobs that generated recommendations are kept after their end.
    generation_days: float = Field(default=90, gt=0)

    @field_validator("preload_model_ids")
    @classmethod
    def _are_ids(cls, text: str) -> str:
        [int(part) for part in text.split(",") if part.strip()]
        return text

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the settings, inference's own ones added where they are missing."""
        return settings if isinstance(settings, cls) else cls(**settings.model_dump())

    @property
    def generation_memory(self) -> timedelta:
        """Return how long jobs that generated recommendations are kept after their end."""
        return timedelta(days=self.generation_days)

    @property
    def preloaded(self) -> list[int]:
        """Return the ids of the models to load first and let go of last."""
        return [int(part) for part in self.preload_model_ids.split(",") if part.strip()]
