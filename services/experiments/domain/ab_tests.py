"""A/B tests: two slots, one metric, a window of time and the way from draft to verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from experiments.domain.conversions import ConversionType
from experiments.domain.deals import Deal, Hand


class Status(StrEnum):
    """Where a test stands."""

    DRAFT = "DRAFT"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class Metric(StrEnum):
    """What a test compares, always per impression."""

    CTR = "ctr"
    PURCHASE_RATE = "purchase_rate"
    CONVERSION_RATE = "conversion_rate"


#: Which reports count as conversions of a metric.
CONVERSIONS: Mapping[Metric, frozenset[ConversionType]] = {
    Metric.CTR: frozenset({ConversionType.CLICK}),
    Metric.PURCHASE_RATE: frozenset({ConversionType.PURCHASE}),
    Metric.CONVERSION_RATE: frozenset({ConversionType.CLICK, ConversionType.PURCHASE}),
}

#: What may not change once counting has begun: the numbers would no longer mean one thing.
FROZEN_ONCE_STARTED = ("project_id", "control_slot_id", "variant_slot_id", "target_metric_name")


@dataclass(frozen=True, slots=True)
class AbTest:
    """A comparison of two slots of a project."""

    id: int
    project_id: int
    name: str
    status: Status
    control_slot_id: int
    variant_slot_id: int
    target_metric_name: Metric
    min_sample_size: int
    confidence_level: float
    started_at: datetime | None
    ended_at: datetime | None
    winner_slot_id: int | None
    ins_datetime: datetime
    updated_at: datetime
    revision: int
    #: Control's share of the users, as dealt at the start; None where another running test has
    #: one of the slots, which then also answers requests of that test.
    control_share: float | None
    #: How users are dealt while it runs; None before the start, and of tests that older releases
    #: started.
    deal: Deal | None = None

    @property
    def slot_ids(self) -> tuple[int, int]:
        """Return control, then variant."""
        return self.control_slot_id, self.variant_slot_id

    @property
    def running(self) -> bool:
        """Tell whether users are held in their arms now."""
        return self.status is Status.RUNNING

    @property
    def hands(self) -> Mapping[int, Hand]:
        """Return what each slot takes while the test runs, by the slot's id."""
        if not self.running or self.deal is None:
            return {}
        return {self.control_slot_id: self.deal.control, self.variant_slot_id: self.deal.variant}

    def covers(self, moment: datetime) -> bool:
        """Tell whether a report of this time counts; both ends of the window belong to it."""
        if self.started_at is None or moment < self.started_at:
            return False
        return self.ended_at is None or moment <= self.ended_at

    def changed(self, values: Mapping[str, Any], *, at: datetime) -> "AbTest":
        """Return the test with some members changed."""
        return replace(self, **values, updated_at=at)

    def started(self, deal: Deal, *, at: datetime, control_share: float | None) -> "AbTest":
        """Return the test as it runs from now on."""
        return replace(
            self,
            status=Status.RUNNING,
            started_at=at,
            updated_at=at,
            revision=self.revision + 1,
            control_share=control_share,
            deal=deal,
        )

    def stopped(self, *, at: datetime) -> "AbTest":
        """Return the test with its window closed."""
        return replace(
            self,
            status=Status.COMPLETED,
            ended_at=at,
            updated_at=at,
            revision=self.revision + 1,
        )


def frozen_changes(test: AbTest, values: Mapping[str, Any]) -> list[str]:
    """Return the members that somebody wants to change although counting has begun."""
    if test.status is Status.DRAFT:
        return []
    return [
        name
        for name in FROZEN_ONCE_STARTED
        if name in values and values[name] != getattr(test, name)
    ]
