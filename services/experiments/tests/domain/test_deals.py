"""How users are shared out between the slots of tests."""

import pytest

from experiments.domain.deals import Deal, DealsDiffer, Hand, deal
from experiments.domain.slots import Slot
from experiments.tests.world import NOW


def slot(slot_id: int, weight: float = 50.0, *, is_active: bool = True) -> Slot:
    return Slot(slot_id, 1, "s", 1, weight, is_active, NOW, NOW, 1)


def hands(control: int, variant: int, made: Deal) -> dict[int, Hand]:
    return {control: made.control, variant: made.variant}


@pytest.mark.parametrize(
    ("control", "variant", "share"),
    [(50, 50, 0.5), (90, 10, 0.9), (0, 10, 0.0), (10, 0, 1.0), (0, 0, None)],
)
@pytest.mark.parametrize("ids", [(1, 2), (2, 1)])
def test_users_are_shared_out_by_weight(
    ids: tuple[int, int], control: float, variant: float, share: float | None
) -> None:
    made = deal(7, slot(ids[0], control), slot(ids[1], variant), [])

    assert made.control_share == (None if share is None else pytest.approx(share))
    widths = [hand.high - hand.low for hand in (made.control, made.variant)]
    assert sum(widths) == pytest.approx(1.0)
    assert {made.control.test_id, made.variant.test_id} == {7}


def test_whether_a_slot_is_switched_on_is_no_part_of_the_deal() -> None:
    assert deal(7, slot(1), slot(2, is_active=False), []) == deal(7, slot(1), slot(2), [])


def test_a_second_test_of_the_same_slots_deals_as_the_first() -> None:
    first = deal(7, slot(1, 90.0), slot(2, 10.0), [])

    second = deal(8, slot(1, 5.0), slot(2, 5.0), [hands(1, 2, first)])
    turned = deal(9, slot(2, 5.0), slot(1, 5.0), [hands(1, 2, first)])

    assert second == first
    assert turned == Deal(first.variant, first.control)


def test_a_test_that_shares_one_slot_leaves_it_its_users() -> None:
    first = deal(7, slot(1, 90.0), slot(2, 10.0), [])

    beside = deal(8, slot(3, 20.0), slot(1, 5.0), [hands(1, 2, first)])
    after = deal(9, slot(2, 5.0), slot(4, 30.0), [hands(1, 2, first)])

    assert beside.variant == first.control
    assert (beside.control.low, beside.control.high) == (first.variant.low, first.variant.high)
    assert beside.control.weight == 20.0
    assert after.control == first.variant
    assert (after.variant.low, after.variant.high) == (first.control.low, first.control.high)


def test_slots_that_tests_deal_to_the_same_users_cannot_be_compared() -> None:
    first = deal(7, slot(1), slot(2), [])
    beside = deal(8, slot(1), slot(3), [hands(1, 2, first)])
    apart = deal(9, slot(4), slot(5), [])
    dealt = [hands(1, 2, first), hands(1, 3, beside), hands(4, 5, apart)]

    for control, variant in ((2, 3), (1, 4), (5, 2)):
        with pytest.raises(DealsDiffer):
            deal(10, slot(control), slot(variant), dealt)
