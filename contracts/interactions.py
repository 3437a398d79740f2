"""Interactions: what a tenant's producers may send, and the fact that one was kept."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.envelope import Event
from contracts.identifiers import EventIdentifier, Identifier
from contracts.moments import Timestamp


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
