"""Rejections: what a tenant's producer is told about a record that was refused."""

import json
from dataclasses import dataclass
from datetime import datetime

#: How much of a refused record is shown, in bytes.
SHOWN_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a record was refused."""

    code: str
    field: str | None
    message: str
    source: Source
    record: bytes
    rejected_at: datetime

    def to_bytes(self) -> bytes:
        """Return the value of the record on the tenant's topic of rejects."""
        body = {
            "code": self.code,
            "field": self.field,
            "message": self.message,
            "source": {
                "topic": self.source.topic,
                "partition": self.source.partition,
                "offset": self.source.offset,
            },
            "record": self.record[:SHOWN_BYTES].decode(errors="replace"),
            "rejected_at": self.rejected_at.isoformat().replace("+00:00", "Z"),
        }
        return json.dumps(body, ensure_ascii=False).encode()
