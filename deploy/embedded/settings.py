"""The launcher's own settings, from the same MILLRACE_* variables that the services read."""

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from embedded.failure import Failure
from embedded.home import Home


class Settings(BaseSettings):
    """What a user may choose about the whole stack."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_", extra="ignore", frozen=True)

    data: Path = Field(default=Path(".millrace"), validation_alias="MILLRACE_HOME")
    port: int = Field(default=8080, ge=1, le=65535)
    kafka_port: int = Field(default=9092, ge=1, le=65535)

    @property
    def home(self) -> Home:
        """Return the data folder."""
        return Home(self.data.expanduser().resolve())


def load() -> Settings:
    """Read the settings from the environment.

    Raises:
        Failure: a value makes no sense.
    """
    try:
        return Settings()
    except ValidationError as error:
        wrong = error.errors()[0]
        name = str(wrong["loc"][0]).upper().removeprefix("MILLRACE_")
        raise Failure(f"MILLRACE_{name}: {wrong['msg']}, not {wrong['input']!r}.") from error
