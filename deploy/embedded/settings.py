"""The launcher's own settings, from the same MILLRACE_* variables that the services read."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from embedded import ports
from embedded.failure import Failure
from embedded.home import Home


class Settings(BaseSettings):
    """What a user may choose about the whole stack."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_", extra="ignore", frozen=True)

    data: Path = Field(default=Path(".millrace"), validation_alias="MILLRACE_HOME")
    port: int = Field(default=8080, ge=1, le=65535)
    kafka_port: int = Field(default=9092, ge=1, le=65535)
    #: What other ports are chosen from, first and last; who chooses reads it from the environment.
    ports: str = ports.RANGE
    #: `servers` runs PostgreSQL and the others beside Kafka, which `embedded` does without.
    backends: Literal["embedded", "servers"] = "embedded"
    #: How many processes of each service there are.
    replicas: int = Field(default=1, ge=1, le=20)
    #: How many Kafka nodes; three keep two copies of each record when one is away.
    brokers: int = Field(default=1, ge=1, le=9)

    @property
    def home(self) -> Home:
        """Return the data folder."""
        return Home(self.data.expanduser().resolve())


def load(**said: Any) -> Settings:
    """Read the settings from the environment; what was said on the command line comes first.

    Raises:
        Failure: a value makes no sense.
    """
    try:
        settings = Settings(**{name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        wrong = error.errors()[0]
        name = str(wrong["loc"][0]).upper().removeprefix("MILLRACE_")
        raise Failure(f"MILLRACE_{name}: {wrong['msg']}, not {wrong['input']!r}.") from error
    if settings.brokers > 1 and settings.backends == "embedded":
        raise Failure("More than one of MILLRACE_BROKERS needs MILLRACE_BACKENDS=servers.")
    if settings.replicas > 1 and settings.backends == "embedded":
        raise Failure(
            f"MILLRACE_REPLICAS is {settings.replicas}, but SQLite has one process per service: "
            "more of them need MILLRACE_BACKENDS=servers."
        )
    return settings
