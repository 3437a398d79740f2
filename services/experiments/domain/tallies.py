"""Tallies: what an arm of a test has shown and won, whatever the order in which it was told."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from experiments.domain.ab_tests import CONVERSIONS, AbTest, Metric
from experiments.domain.conversions import Conversion, ConversionType
from experiments.domain.samples import Sample


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one arm: impressions are distinct requests, plus those that name no request."""

    impressions: int = 0
    clicks: int = 0
    purchases: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Return both together."""
        return Tally(
            self.impressions + other.impressions,
            self.clicks + other.clicks,
            self.purchases + other.purchases,
        )

    def conversions(self, metric: Metric) -> int:
        """Return how many of the counts are conversions of a metric."""
        counted = CONVERSIONS[metric]
        clicks = self.clicks if ConversionType.CLICK in counted else 0
        return clicks + (self.purchases if ConversionType.PURCHASE in counted else 0)

    @property
    def total(self) -> int:
        """Return how much was counted, whatever it was."""
        return self.impressions + self.clicks + self.purchases


@dataclass(frozen=True, slots=True)
class Counts:
    """Both ways in which an arm is counted: event by event, and by user."""

    tally: Tally = field(default_factory=Tally)
    sample: Sample = field(default_factory=Sample)
    #: Whether the sample knows of all that the tally counts: older releases counted no users.
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Share:
    """What some conversions add to one arm; its requests count unless they were shown before."""

    tally: Tally
    requests: frozenset[str]


def share_of(test: AbTest, slot_id: int, conversions: Iterable[Conversion]) -> Share:
    """Return what an arm gains from conversions that were kept just now."""
    nameless = clicks = purchases = 0
    requests: set[str] = set()
    for conversion in conversions:
        if conversion.slot_id != slot_id or not test.covers(conversion.occurred_at):
            continue
        match conversion.conversion_type:
            case ConversionType.CLICK:
                clicks += 1
            case ConversionType.PURCHASE:
                purchases += 1
            case ConversionType.IMPRESSION if conversion.request_id is None:
                nameless += 1
            case ConversionType.IMPRESSION:
                requests.add(conversion.request_id)
    return Share(Tally(nameless, clicks, purchases), frozenset(requests))
