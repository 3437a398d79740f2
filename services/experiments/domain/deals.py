"""How a running A/B test deals users to its two slots.

A deal is made at the start of a test and holds to its end. Each user has a number in [0, 1), the
hash of a test and the user; control takes the users of one interval, variant takes the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.domain.slots import Slot


class DealsDiffer(Exception):
    """Two slots are dealt by running tests in such a way that one user may get both."""


@dataclass(frozen=True, slots=True)
class Hand:
    """What one slot takes of a deal: the users of [low, high), drawn with a weight."""

    test_id: int
    weight: float
    low: float
    high: float

    def rest(self, weight: float) -> "Hand":
        """Return the hand of the users that this one leaves."""
        low, high = (self.high, 1.0) if self.low == 0.0 else (0.0, self.low)
        return Hand(self.test_id, weight, low, high)


@dataclass(frozen=True, slots=True)
class Deal:
    """Both hands of a test."""

    control: Hand
    variant: Hand

    @property
    def control_share(self) -> float | None:
        """Return control's share of the users; None where no weight lets any come."""
        if not self.control.weight + self.variant.weight:
            return None
        return self.control.high - self.control.low

    @classmethod
    def by_weight(cls, test_id: int, control: Slot, variant: Slot) -> "Deal":
        """Return a test's own deal: users are shared out by the weights of its slots."""
        lower, upper = sorted((control, variant), key=lambda slot: slot.id)
        total = lower.weight + upper.weight
        hand = Hand(test_id, lower.weight, 0.0, lower.weight / total if total else 0.5)
        hands = {lower.id: hand, upper.id: hand.rest(upper.weight)}
        return cls(hands[control.id], hands[variant.id])


def deal(test_id: int, control: Slot, variant: Slot, dealt: Sequence[Mapping[int, Hand]]) -> Deal:
    """Return the deal of a test that starts now; `dealt` are the hands, by slot, of running tests.

    A slot that is dealt already keeps its users, and the other slot takes those that it leaves, so
    that nobody gets both.

    Raises:
        DealsDiffer: both slots are dealt already, and not to different users.
    """
    taken = {slot_id: hand for hands in dealt for slot_id, hand in hands.items()}
    ours, theirs = taken.get(control.id), taken.get(variant.id)
    if ours is None:
        if theirs is None:
            return Deal.by_weight(test_id, control, variant)
        return Deal(theirs.rest(control.weight), theirs)
    if theirs is None:
        return Deal(ours, ours.rest(variant.weight))
    if theirs != ours.rest(theirs.weight):
        raise DealsDiffer
    return Deal(ours, theirs)
