"""Interactions: what a tenant's producers may send, and the fact that one was kept."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from contracts.envelope import Event

#: Identifiers that tenants choose: any text of 1 to 256 characters without control characters.
Identifier = Annotated[
    str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$", strict=True)
]
EventIdentifier = Annotated[
    str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$", strict=True)
]


#: When an event may have happened: from the first moment on, before the last.
FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MOMENT = datetime(3000, 1, 1, tzinfo=UTC)
_LAST_MS = 32_503_680_000_000


def _read_moment(sent: object) -> object:
    if type(sent) is int and 0 <= sent <= _LAST_MS:
        return datetime.fromtimestamp(sent / 1000, tz=UTC)
    if isinstance(sent, datetime) or (isinstance(sent, str) and "-" in sent[1:]):
        return sent
    raise ValueError("Must be ISO 8601 with a time zone, or epoch milliseconds.")


def _within_bounds(moment: datetime) -> datetime:
    if not FIRST_MOMENT <= moment < LAST_MOMENT:
        raise ValueError("Must lie between the years 1970 and 3000.")
    return moment.astimezone(UTC)


#: When something happened: ISO 8601 with a time zone, or epoch milliseconds.
Timestamp = Annotated[
    AwareDatetime,
    BeforeValidator(_read_moment),
    AfterValidator(_within_bounds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "integer", "minimum": 0, "maximum": _LAST_MS},
            ]
        }
    ),
]


class InteractionType(StrEnum):
    """What somebody did with an item, from the weakest signal to the strongest."""

    VIEW = "view"
    CLICK = "click"
    LIKE = "like"
    PURCHASE = "purchase"


#: Weight of an interaction without a `value` of its own, in (0, 1].
TYPE_WEIGHTS: dict[InteractionType, float] = {
    InteractionType.VIEW: 0.1,
    InteractionType.CLICK: 0.3,
    InteractionType.LIKE: 0.7,
    InteractionType.PURCHASE: 1.0,
}


class IngestedInteraction(BaseModel):
    """The value of a record on `ingest.<tenant>.interactions`, as producers write it."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    user_id: Identifier = Field(alias="userId")
    item_id: Identifier = Field(alias="itemId")
    interaction_type: InteractionType = Field(alias="interactionType")
    value: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)] | None = None
    event_id: EventIdentifier | None = Field(default=None, alias="eventId")
    #: The record's own time when absent.
    timestamp: Timestamp | None = None
    session_id: Identifier | None = Field(default=None, alias="sessionId")
    request_id: Identifier | None = Field(default=None, alias="requestId")
    metadata: dict[str, Any] | None = None


class InteractionRecorded(Event):
    """An interaction was kept, once, under its event id."""

    key_fields: ClassVar[tuple[str, ...]] = ("user_id",)

    type: Literal["InteractionRecorded"] = "InteractionRecorded"
    #: Catalog's sequence number of the interaction, rising in the order of keeping.
    sequence: int
    interaction_id: str
    user_id: str
    item_id: str
    interaction_type: InteractionType
    #: Weight in [0, 1]: the sent value, or the type's weight.
    weight: float
    session_id: str | None = None
    request_id: str | None = None
    source: Literal["http", "batch", "kafka"]
    #: Hundredths of a billing unit.
    centiunits: int
