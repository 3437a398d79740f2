from collections import Counter

import pytest

from inference.domain.slots import AbTest, Slot, draw, share_of

CHANCES = [n / 1000 for n in range(1000)]


def slot(slot_id: int, weight: float = 100.0, *, active: bool = True) -> Slot:
    return Slot(slot_id, "tenant", 1, f"slot-{slot_id}", 10 + slot_id, weight, active)


def drawn(slots: list[Slot], tests: list[AbTest], user: str = "ann") -> Counter[int]:
    found = [draw(slots, tests, user_id=user, chance=chance) for chance in CHANCES]
    return Counter(each.slot_id for each in found if each)


@pytest.mark.parametrize(
    "slots", [[], [slot(1, 0.0)], [slot(1, active=False)], [slot(1, 0.0), slot(2, active=False)]]
)
def test_without_traffic_there_is_no_slot(slots: list[Slot]) -> None:
    assert draw(slots, [], user_id="ann", chance=0.5) is None


def test_slots_are_drawn_by_weight() -> None:
    slots = [slot(1, 70.0), slot(2, 20.0), slot(3, 10.0), slot(4, 0.0), slot(5, active=False)]

    assert drawn(slots, []) == {1: 700, 2: 200, 3: 100}


def test_a_user_stays_in_one_arm_of_a_running_test() -> None:
    slots = [slot(1, 50.0), slot(2, 50.0)]
    test = AbTest(7, control_slot_id=1, variant_slot_id=2)

    arms = {user: set(drawn(slots, [test], user)) for user in map(str, range(200))}

    assert all(len(arm) == 1 for arm in arms.values())
    shares = Counter(slot_id for arm in arms.values() for slot_id in arm)
    assert 70 < shares[1] < 130


def test_a_slot_outside_of_the_test_keeps_its_share() -> None:
    slots = [slot(1, 30.0), slot(2, 30.0), slot(3, 40.0)]

    found = drawn(slots, [AbTest(7, control_slot_id=1, variant_slot_id=2)])

    assert found[3] == 400
    assert sorted(found[n] for n in (1, 2)) == [0, 600]


def test_a_closed_arm_leaves_its_users_to_the_other() -> None:
    slots = [slot(1, 50.0), slot(2, 50.0, active=False)]

    assert drawn(slots, [AbTest(7, control_slot_id=1, variant_slot_id=2)]) == {1: 1000}


def test_a_users_share_depends_on_user_and_test_alone() -> None:
    assert share_of(1, "ann") == share_of(1, "ann")
    assert len({share_of(1, "ann"), share_of(2, "ann"), share_of(1, "ben")}) == 3
    assert 0.0 <= share_of(1, "\ud800") < 1.0
