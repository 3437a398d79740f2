"""The envelope every event shares, and the one way to write and read it."""

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


def new_event_id() -> str:
    """Return a fresh event id: 36 characters, a random UUID."""
    return str(uuid4())


class Event(BaseModel):
    """A fact in the past tense. Unknown members are ignored, so that fields may be added."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")

    #: Names of the fields that make up the thing's own part of the record key.
    key_fields: ClassVar[tuple[str, ...]] = ("event_id",)
    #: Whether the event is the end of its key: what the key named is gone, and whoever never hears
    #: of the key at all knows as much. A while later the key leaves its compacted topic.
    ends_key: ClassVar[bool] = False

    type: str
    event_id: Annotated[str, Field(max_length=200)] = Field(default_factory=new_event_id)
    tenant_id: Annotated[str, Field(max_length=36)]
    #: The event's own time; `recorded_at` is when it was kept.
    occurred_at: AwareDatetime
    recorded_at: AwareDatetime | None = None

    @property
    def key(self) -> str:
        """Return the record key: `<tenant uid>:<entity>`."""
        entity = ":".join(str(getattr(self, name)) for name in self.key_fields)
        return f"{self.tenant_id}:{entity}"

    def to_bytes(self) -> bytes:
        """Return the record value: UTF-8 JSON without absent members."""
        return self.model_dump_json(exclude_none=True).encode()


JsonObject = dict[str, Any]
Moment = datetime
