"""What a tenant may still use."""

from typing import ClassVar, Literal

from contracts.envelope import Event


class AllowanceChanged(Event):
    """How much a tenant may use until its overage cap; the gateway refuses with 402 beyond it."""

    key_fields: ClassVar[tuple[str, ...]] = ("tenant_id",)

    type: Literal["AllowanceChanged"] = "AllowanceChanged"
    #: Hundredths of a unit used in this cycle, as counted from facts.
    used_centiunits: int
    #: Hundredths of a unit that may be used in this cycle, overage included; absent: unlimited.
    allowed_centiunits: int | None = None
    cycle_ends_at: str
    revision: int
    #: When the newest of the facts was kept that were counted in this cycle.
    counted_until: str | None = None
    #: Hundredths of a unit that may be used in the next cycle: it may begin before billing says so.
    renewed_centiunits: int | None = None
