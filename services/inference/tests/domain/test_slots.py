from collections import Counter

import pytest

from inference.domain.slots import AbTest, Deal, Slot, draw, share_of

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


HALVES = Deal(7, 50.0, 50.0, 0.0, 0.5)
USERS = [f"user-{n}" for n in range(1000)]


def arms(slots: list[Slot], tests: list[AbTest]) -> dict[str, int]:
    """Return each user's slot, which is the same for every chance that is tried."""
    found = {}
    for user in USERS:
        [found[user]] = {
            each.slot_id
            for chance in (0.0, 0.2, 0.4, 0.6, 0.8, 0.999)
            if (each := draw(slots, tests, user_id=user, chance=chance))
        }
    return found


@pytest.mark.parametrize("weights", [(90.0, 10.0), (0.0, 100.0), (100.0, 0.0), (0.0, 0.0)])
def test_nobody_changes_arm_whatever_weights_do_in_a_test(weights: tuple[float, float]) -> None:
    test = AbTest(7, control_slot_id=1, variant_slot_id=2, deal=HALVES)
    before = arms([slot(1, 50.0), slot(2, 50.0)], [test])

    assert arms([slot(1, weights[0]), slot(2, weights[1])], [test]) == before
    assert 450 < Counter(before.values())[1] < 550


def test_new_weights_act_once_the_test_has_ended() -> None:
    assert drawn([slot(1, 90.0), slot(2, 10.0)], []) == {1: 900, 2: 100}


def test_the_share_of_a_test_among_other_slots_is_that_of_its_start() -> None:
    test = AbTest(7, control_slot_id=1, variant_slot_id=2, deal=HALVES)

    found = drawn([slot(1, 0.0), slot(2, 1.0), slot(3, 100.0)], [test])

    assert found[3] == 500


def test_an_arm_that_is_switched_off_gets_its_own_users_back() -> None:
    test = AbTest(7, control_slot_id=1, variant_slot_id=2, deal=HALVES)
    before = arms([slot(1), slot(2)], [test])

    assert set(arms([slot(1), slot(2, active=False)], [test]).values()) == {1}
    assert arms([slot(1), slot(2)], [test]) == before


def test_the_users_of_a_deal_are_those_of_its_interval_alone() -> None:
    shares = {user: share_of(7, user) for user in USERS}
    test = AbTest(9, control_slot_id=2, variant_slot_id=1, deal=Deal(7, 1.0, 1.0, 0.3, 1.0))

    assert arms([slot(1), slot(2)], [test]) == {
        user: 2 if share >= 0.3 else 1 for user, share in shares.items()
    }


def test_a_user_stays_in_one_arm_of_each_of_two_tests_that_share_a_slot() -> None:
    first = AbTest(7, control_slot_id=1, variant_slot_id=2, deal=Deal(7, 30.0, 30.0, 0.0, 0.5))
    second = AbTest(8, control_slot_id=3, variant_slot_id=1, deal=Deal(7, 40.0, 30.0, 0.5, 1.0))
    slots = [slot(1), slot(2), slot(3)]

    for user in USERS[:100]:
        seen = set(drawn(slots, [first, second], user))
        assert seen in ({1}, {2, 3})
        assert set(drawn(slots, [second], user)) <= seen | {2}
