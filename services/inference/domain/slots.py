"""Which slot of a project answers a request."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


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
class AbTest:
    """A running comparison of two slots: a user stays with one of them."""

    test_id: int
    control_slot_id: int
    variant_slot_id: int


def draw(
    slots: Iterable[Slot], tests: Iterable[AbTest], *, user_id: str, chance: float
) -> Slot | None:
    """Return the slot that answers this user, None where no slot takes traffic.

    The slot is drawn by weight with `chance` in [0, 1); where it is an arm of a running test, the
    user's own arm answers instead, so that both arms still get their share of the traffic.
    """
    takers = sorted((slot for slot in slots if slot.is_open), key=lambda slot: slot.slot_id)
    if not takers:
        return None
    drawn = _at(takers, chance)
    for test in sorted(tests, key=lambda test: test.test_id):
        arms = [s for s in takers if s.slot_id in (test.control_slot_id, test.variant_slot_id)]
        if drawn in arms:
            return _at(arms, share_of(test.test_id, user_id))
    return drawn


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
