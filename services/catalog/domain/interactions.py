"""What an interaction is, when two of them are the same, and how one is announced."""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha1
from typing import Any, Literal, NamedTuple
from uuid import UUID

from contracts.interactions import TYPE_WEIGHTS, InteractionRecorded, InteractionType

Door = Literal["http", "batch", "kafka"]

NAMESPACE = UUID("5d2b2f0a-6f2e-4d5c-9a34-7a2c1f0b9e11")
_NAMESPACE = NAMESPACE.bytes
#: Hundredths of a billing unit: a single call costs one unit, mass traffic a hundredth of it.
CENTIUNITS: dict[Door, int] = {"http": 100, "batch": 1, "kafka": 1}


class Interaction(NamedTuple):
    """What somebody did with an item, under the id that makes it happen once."""

    event_id: str
    user_id: str
    item_id: str
    interaction_type: InteractionType
    occurred_at: datetime
    #: Whether the sender said when; a time that was filled in is no part of what was sent.
    timed: bool = False
    value: float | None = None
    session_id: str | None = None
    request_id: str | None = None
    #: Canonical JSON, so that equal objects are equal texts.
    metadata: str | None = None
    source: Door = "http"
    #: W3C `traceparent` under which it came.
    trace: str | None = None

    @property
    def weight(self) -> float:
        """Return how strong a signal it is: the sent value, or the type's own weight."""
        return TYPE_WEIGHTS[self.interaction_type] if self.value is None else self.value

    def repeats(self, other: "Interaction") -> bool:
        """Tell whether both were sent with the same body."""
        return self._sent() == other._sent()

    def _sent(self) -> tuple[object, ...]:
        return (
            self.user_id,
            self.item_id,
            self.interaction_type,
            self.value,
            self.occurred_at if self.timed else None,
            self.session_id,
            self.request_id,
            self.metadata,
        )


class Kept(NamedTuple):
    """What became of an interaction: kept now, or a repeat of one that was."""

    interaction: Interaction
    duplicate: bool


def interaction_id(tenant_id: str, event_id: str) -> str:
    """Return an interaction's public id, which follows from its event id: a UUID of version 5.

    Spelled here because the library's own looks its hash up anew for each of them.
    """
    name = _NAMESPACE + f"{tenant_id}:{event_id}".encode()
    digest = bytearray(sha1(name, usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def canonical(metadata: Mapping[str, Any] | None) -> str | None:
    """Return metadata as the one JSON text that all equal objects share."""
    if metadata is None:
        return None
    return json.dumps(metadata, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def announcement(
    kept: Interaction, *, tenant_id: str, sequence: int, recorded_at: datetime
) -> InteractionRecorded:
    """Return the fact that other services hear; its id is the interaction's own."""
    public_id = interaction_id(tenant_id, kept.event_id)
    return InteractionRecorded(
        event_id=public_id,
        tenant_id=tenant_id,
        occurred_at=kept.occurred_at,
        recorded_at=recorded_at,
        sequence=sequence,
        interaction_id=public_id,
        user_id=kept.user_id,
        item_id=kept.item_id,
        interaction_type=kept.interaction_type,
        weight=kept.weight,
        session_id=kept.session_id,
        request_id=kept.request_id,
        source=kept.source,
        centiunits=CENTIUNITS[kept.source],
    )
