"""What a tenant's producer is told, in `ingest.<tenant>.rejected`, about a record of its own."""

import json
from dataclasses import dataclass
from datetime import datetime

#: How much of a refused record is shown back, in bytes, and of what is said of it, in characters.
SHOWN_BYTES = 8 * 1024
SAID_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a record was refused: where it stands, a code, the member at fault, a sentence."""

    topic: str
    partition: int
    offset: int
    record: bytes
    code: str
    field: str | None
    message: str
    at: datetime

    @property
    def place(self) -> str:
        """Return where the record stands, as text."""
        return f"{self.topic}:{self.partition}:{self.offset}"

    def to_bytes(self) -> bytes:
        """Return the value of the record in the tenant's topic of rejects."""
        body = {
            "code": self.code,
            "field": None if self.field is None else self.field[:SAID_CHARACTERS],
            "message": self.message[:SAID_CHARACTERS],
            "source": {"topic": self.topic, "partition": self.partition, "offset": self.offset},
            "record": self.record[:SHOWN_BYTES].decode(errors="replace"),
            "rejected_at": self.at.isoformat().replace("+00:00", "Z"),
        }
        # What is said may repeat a member of the record: any text, be it half a character.
        return json.dumps(body, ensure_ascii=False).encode(errors="replace")
