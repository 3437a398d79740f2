"""Conversions: what producers may send, and the fact that one was counted."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.envelope import Event
from contracts.identifiers import EventIdentifier, Identifier, OptionalIdentifier
from contracts.moments import Timestamp


class ConversionType(StrEnum):
    """What a customer did with what was shown."""

    IMPRESSION = "impression"
    CLICK = "click"
    PURCHASE = "purchase"


class IngestedConversion(BaseModel):
    """The value of a record on `ingest.<tenant>.conversions`: `conversion_event`'s names."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    project: Annotated[int, Field(strict=True, ge=1, lt=2**63)]
    deployment_slot: Annotated[int, Field(strict=True, ge=1, lt=2**63)]
    user_id: Identifier
    item_id: OptionalIdentifier = ""
    event_type: ConversionType
    recommendation_request_id: UUID | None = None
    metadata_json: Any = Field(default_factory=dict)
    event_id: EventIdentifier | None = Field(default=None, alias="eventId")
    #: The record's own time when absent.
    timestamp: Timestamp | None = None


class ConversionRecorded(Event):
    """A conversion was kept and tallied, once, under its event id."""

    key_fields: ClassVar[tuple[str, ...]] = ("user_id",)

    type: Literal["ConversionRecorded"] = "ConversionRecorded"
    conversion_id: int
    project_id: int
    slot_id: int
    user_id: str
    item_id: str
    conversion_type: ConversionType
    request_id: str | None = None
    source: Literal["http", "batch", "kafka"]
    #: Hundredths of a billing unit.
    centiunits: int
