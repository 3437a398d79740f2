"""What a producer is told about a record that was not kept."""

from dataclasses import dataclass
from datetime import datetime

from contracts.rejected import Rejected


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record stands on its producer's topic."""

    topic: str
    partition: int
    offset: int

    @property
    def key(self) -> str:
        """Return the place as text."""
        return f"{self.topic}:{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record was not kept: a code, the member at fault, a sentence."""

    source: Source
    record: bytes
    code: str
    field: str | None
    message: str

    def to_bytes(self, at: datetime) -> bytes:
        """Return the record for the tenant's topic of rejected records."""
        return Rejected(
            topic=self.source.topic,
            partition=self.source.partition,
            offset=self.source.offset,
            record=self.record,
            code=self.code,
            field=self.field,
            message=self.message,
            at=at,
        ).to_bytes()
