"""Deployment slots and running A/B tests, as inference needs them to choose a model."""

from typing import ClassVar, Literal

from contracts.envelope import Event


class SlotChanged(Event):
    """A slot was made or changed: inference draws by the new weight."""

    key_fields: ClassVar[tuple[str, ...]] = ("kind", "slot_id")

    type: Literal["SlotChanged"] = "SlotChanged"
    kind: Literal["slot"] = "slot"
    slot_id: int
    project_id: int
    name: str
    model_id: int
    weight: float
    is_active: bool
    #: Rises with each change; an older revision never replaces a newer one.
    revision: int


class SlotDeleted(Event):
    """A slot is gone."""

    key_fields: ClassVar[tuple[str, ...]] = ("kind", "slot_id")
    ends_key: ClassVar[bool] = True

    type: Literal["SlotDeleted"] = "SlotDeleted"
    kind: Literal["slot"] = "slot"
    slot_id: int
    project_id: int
    revision: int


class AbTestChanged(Event):
    """An A/B test changed state; while it runs, a user stays in one of its two slots.

    While it runs, slots are drawn by the weights given here. Control answers the users whose hash
    with `deal_test_id` is in [control_low, control_high), variant the others. Events of older
    releases have none of these: then the slots' own weights say both.
    """

    key_fields: ClassVar[tuple[str, ...]] = ("kind", "test_id")

    type: Literal["AbTestChanged"] = "AbTestChanged"
    kind: Literal["ab_test"] = "ab_test"
    test_id: int
    project_id: int
    control_slot_id: int
    variant_slot_id: int
    running: bool
    revision: int
    deal_test_id: int | None = None
    control_weight: float | None = None
    variant_weight: float | None = None
    control_low: float | None = None
    control_high: float | None = None


SlotEvent = SlotChanged | SlotDeleted | AbTestChanged
