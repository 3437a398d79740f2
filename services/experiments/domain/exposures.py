"""Exposures: what one user was shown in one arm, and how much of it the user converted.

Whether a test's users are dealt well, and how far their rate may be off, is judged by user. So a
conversion counts here only where it belongs to something that this user was shown in this arm:

- One that names a request counts if an impression of the same user names the same request.
- One that names no request takes one of the user's impressions that no other conversion took.

An impression converts once at most. All of this is a function of the set of events, not of their
order: a click may be told before its impression.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from experiments.domain.ab_tests import CONVERSIONS, AbTest
from experiments.domain.conversions import ERASED, Conversion, ConversionType
from experiments.domain.samples import Sample


@dataclass(frozen=True, slots=True)
class Marks:
    """What was told of one request of a user's."""

    shown: bool = False
    converted: bool = False

    def __or__(self, other: "Marks") -> "Marks":
        """Return what both told."""
        return Marks(self.shown or other.shown, self.converted or other.converted)

    @property
    def counts(self) -> bool:
        """Tell whether the request was shown and converted."""
        return self.shown and self.converted


@dataclass(slots=True)
class Facts:
    """What new events tell of one user in one arm."""

    requests: dict[str, Marks] = field(default_factory=dict)
    #: Impressions and conversions that name no request.
    unnamed: int = 0
    unnamed_conversions: int = 0

    def take(self, conversion: Conversion) -> None:
        """Add an impression or a conversion of the test's metric."""
        shown = conversion.conversion_type is ConversionType.IMPRESSION
        if conversion.request_id is not None:
            known = self.requests.get(conversion.request_id, Marks())
            self.requests[conversion.request_id] = known | Marks(shown, not shown)
        elif shown:
            self.unnamed += 1
        else:
            self.unnamed_conversions += 1


@dataclass(frozen=True, slots=True)
class Exposure:
    """One user in one arm of a test."""

    #: Requests that were shown, and those of them that were converted.
    requests: int = 0
    requests_converted: int = 0
    #: Impressions and conversions that name no request.
    unnamed: int = 0
    unnamed_conversions: int = 0

    @property
    def impressions(self) -> int:
        """Return how often the user was shown something."""
        return self.requests + self.unnamed

    @property
    def conversions(self) -> int:
        """Return how many of the impressions were converted."""
        free = self.impressions - self.requests_converted
        return self.requests_converted + min(self.unnamed_conversions, free)

    @property
    def sample(self) -> Sample:
        """Return the user's part of the arm's sums."""
        return Sample.of_user(self.impressions, self.conversions)

    def after(self, facts: Facts, known: Mapping[str, Marks]) -> "Exposure":
        """Return the exposure with new facts; `known` are the marks of their requests so far."""
        shown = converted = 0
        for request_id, marks in facts.requests.items():
            before = known.get(request_id, Marks())
            now = before | marks
            shown += now.shown - before.shown
            converted += now.counts - before.counts
        return Exposure(
            self.requests + shown,
            self.requests_converted + converted,
            self.unnamed + facts.unnamed,
            self.unnamed_conversions + facts.unnamed_conversions,
        )


def facts_of(test: AbTest, slot_id: int, conversions: Iterable[Conversion]) -> Mapping[str, Facts]:
    """Return what conversions that were kept just now tell of the users of one arm.

    Nobody knows whose the events under the name `erased` are, so they tell of no user.
    """
    counted = CONVERSIONS[test.target_metric_name] | {ConversionType.IMPRESSION}
    found: dict[str, Facts] = {}
    for conversion in conversions:
        if conversion.slot_id != slot_id or not test.covers(conversion.occurred_at):
            continue
        if conversion.conversion_type in counted and conversion.user_id != ERASED:
            found.setdefault(conversion.user_id, Facts()).take(conversion)
    return found
