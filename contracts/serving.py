"""What was answered to whom, by which model and slot."""

from typing import ClassVar, Literal

from pydantic import Field

from contracts.envelope import Event


class Served(Event):
    """Recommendations or predictions were answered; `request_id` ties later conversions to it."""

    key_fields: ClassVar[tuple[str, ...]] = ("user_id",)

    type: Literal["Served"] = "Served"
    request_id: str
    #: `recommend`, `similar`, `predict` or `recommendations`.
    operation: str
    user_id: str
    #: The best of the items, at most 128 KiB of ids: a hundred are told whole.
    item_ids: list[str] = Field(default_factory=list)
    project_id: int | None = None
    model_id: int | None = None
    slot_id: int | None = None
    algorithm: str | None = None
    #: Hundredths of a billing unit: 100 for each user or row answered.
    centiunits: int
