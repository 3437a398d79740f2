"""Which slot of a project answers a request."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Slot:
    """A share of a project's traffic and the model that answers it."""

    slot_id: int
    tenant_id: str
    project_id: int
    name: str
    model_id: int
    weight: float
    is_active: bool

    @property
    def is_open(self) -> bool:
        """Tell whether the slot takes any traffic."""
        return self.is_active and self.weight > 0


@dataclass(frozen=True, slots=True)
class Deal:
    """By what a test deals, fixed at its start: weights later given to its slots change nothing."""

    #: The test whose hash tells users apart: itself, or an older one that shares a slot.
    test_id: int
    control_weight: float
    variant_weight: float
    #: Control answers the users whose hash is in [low, high), variant the others.
    control_low: float
    control_high: float


@dataclass(frozen=True, slots=True)
class AbTest:
    """A running comparison of two slots: a user stays with one of them."""

    test_id: int
    control_slot_id: int
    variant_slot_id: int
    #: None where an older release started the test: the slots' present weights deal then.
    deal: Deal | None = None

    @property
    def slot_ids(self) -> tuple[int, int]:
        """Return control, then variant."""
        return self.control_slot_id, self.variant_slot_id

    @property
    def weights(self) -> Mapping[int, float]:
        """Return the weights that replace those of its slots, by slot id."""
        if self.deal is None:
            return {}
        both = (self.deal.control_weight, self.deal.variant_weight)
        return dict(zip(self.slot_ids, both, strict=True))

    def own_arm(self, open_arms: Sequence[Slot], user_id: str) -> Slot:
        """Return the user's arm, or the other one while that takes no traffic."""
        if self.deal is None:
            return _at(open_arms, share_of(self.test_id, user_id))
        share = share_of(self.deal.test_id, user_id)
        controls = self.deal.control_low <= share < self.deal.control_high
        chosen = self.control_slot_id if controls else self.variant_slot_id
        return next((arm for arm in open_arms if arm.slot_id == chosen), open_arms[0])


def draw(
    slots: Iterable[Slot], tests: Sequence[AbTest], *, user_id: str, chance: float
) -> Slot | None:
    """Return the slot that answers this user, None where no slot takes traffic.

    The slot is drawn by weight with `chance` in [0, 1); where it is an arm of a running test, the
    user's own arm answers instead, so that both arms still get their share of the traffic. Arms are
    drawn by the weights of the test's start.
    """
    takers = takers_of(slots, tests)
    if not takers:
        return None
    drawn = _at(takers, chance)
    for test in sorted(tests, key=lambda test: test.test_id):
        if drawn.slot_id in test.slot_ids:
            arms = [slot for slot in takers if slot.slot_id in test.slot_ids]
            return test.own_arm(arms, user_id)
    return drawn


def takers_of(slots: Iterable[Slot], tests: Iterable[AbTest]) -> list[Slot]:
    """Return the slots that take traffic now, with the weights by which they are drawn."""
    held = {slot_id: weight for test in tests for slot_id, weight in test.weights.items()}
    drawn = (replace(slot, weight=held.get(slot.slot_id, slot.weight)) for slot in slots)
    return sorted((slot for slot in drawn if slot.is_open), key=lambda slot: slot.slot_id)


def share_of(test_id: int, user_id: str) -> float:
    """Return a number in [0, 1) that belongs to this user in this test, the same for ever."""
    named = f"{test_id}:{user_id}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(named, digest_size=7).digest()) / 2**56


def _at(slots: Sequence[Slot], share: float) -> Slot:
    left = share * sum(slot.weight for slot in slots)
    for slot in slots:
        left -= slot.weight
        if left < 0:
            return slot
    return slots[-1]
