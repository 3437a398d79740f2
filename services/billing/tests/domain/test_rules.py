"""Cycles, money, allowances and statements, by example."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.cycles import LENGTH, cycle_at
from billing.domain.money import SCALE, amount_of, written
from billing.domain.plans import GROWTH, STARTER, plan_of
from billing.domain.usage import PastCap, Statement, Used, cap_at, left, on_plan, with_use
from billing.tests.world import NOW


def statement(centiunits: int, cap: int = 100, **rest: int) -> Statement:
    used = with_use(Used(), centiunits, plan=STARTER, cap=rest.pop("under", cap) * SCALE)
    return Statement(
        STARTER, cap * SCALE, used, items=rest.get("items", 0), users=rest.get("users", 0)
    )


@pytest.mark.parametrize(
    ("after", "index"),
    [
        (timedelta(days=-5), 0),
        (timedelta(0), 0),
        (LENGTH - timedelta(microseconds=1), 0),
        (LENGTH, 1),
        (3 * LENGTH + timedelta(days=1), 3),
    ],
)
def test_a_moment_falls_into_one_cycle(after: timedelta, index: int) -> None:
    cycle = cycle_at(NOW, NOW + after)
    assert cycle.index == index
    assert cycle.ends_at - cycle.starts_at == LENGTH
    assert cycle_at(NOW, cycle.ends_at).index == index + 1


@pytest.mark.parametrize(
    ("value", "amount"), [(0, 0), (250.0, 2_500_000), (0.1 + 0.2, 3000), (0.00005, 0), (1e-9, 0)]
)
def test_money_is_kept_in_ten_thousandths(value: float, amount: int) -> None:
    assert amount_of(value) == amount


@pytest.mark.parametrize(("count", "number"), [(0, 0), (100, 1), (101, 1.01), (1_000_000, 10_000)])
def test_a_number_is_whole_when_it_is_whole(count: int, number: float) -> None:
    found = written(count, scale=100)
    assert found == number
    assert isinstance(found, int) == (count % 100 == 0)


@given(st.integers(0, 10**12))
def test_what_is_written_reads_back_exactly(count: int) -> None:
    assert amount_of(written(count, scale=SCALE)) == count


@pytest.mark.parametrize(
    ("cap", "centiunits"), [(0, 1_000_000), (SCALE, 1_010_000), (100 * SCALE, 2_000_000)]
)
def test_the_cap_pays_for_what_the_plan_does_not_include(cap: int, centiunits: int) -> None:
    used = with_use(Used(), centiunits - 1, plan=STARTER, cap=cap)
    assert left(used, plan=STARTER, cap=cap) == 1
    assert left(with_use(used, 1, plan=STARTER, cap=cap), plan=STARTER, cap=cap) == 0


@pytest.mark.parametrize(
    ("used", "percent", "overage", "amount", "spent"),
    [
        (0, 0.0, 0, 0, False),
        (450_000, 45.0, 0, 0, False),
        (1, 0.0, 0, 0, False),
        (1_000_000, 100.0, 0, 0, False),
        (1_000_001, 100.0, 1, 1, False),
        (1_000_100, 100.01, 100, 100, False),
        (1_999_999, 200.0, 999_999, 999_999, False),
        (2_000_000, 200.0, 1_000_000, 1_000_000, True),
        (2_000_700, 200.07, 1_000_700, 1_000_000, True),
    ],
)
def test_statements_of_the_first_plan_with_a_cap_of_100(
    used: int, percent: float, overage: int, amount: int, spent: bool
) -> None:
    found = statement(used)
    assert (found.percent, found.overage, found.overage_amount, found.exceeded) == (
        percent,
        overage,
        amount,
        spent,
    )


def test_lowering_the_cap_does_not_undo_what_was_used() -> None:
    found = statement(1_500_000, cap=10, under=100)
    assert (found.overage_amount, found.exceeded) == (50 * SCALE, True)


def test_what_ran_past_a_cap_is_not_billed_when_that_is_raised() -> None:
    used = with_use(Used(1_000_000), 50_000, plan=STARTER, cap=500)
    assert used.billed == 500
    assert left(used, plan=STARTER, cap=500) == 0
    assert left(used, plan=STARTER, cap=10 * SCALE) == 99_500
    used = with_use(used, 7, plan=STARTER, cap=10 * SCALE)
    assert (used.billed, used.centiunits) == (507, 1_050_007)


def test_a_new_plan_prices_what_was_used_and_bills_nothing_it_included() -> None:
    used = with_use(Used(), 1_000_300, plan=STARTER, cap=SCALE)
    assert used.billed == 300
    assert on_plan(used, GROWTH).billed == 0
    assert on_plan(Used(5_000_000), STARTER).billed == 0
    assert on_plan(used, STARTER) == used


def test_the_cap_of_the_moment_is_the_one_that_ended_next() -> None:
    hours = [NOW + timedelta(hours=n) for n in range(4)]
    past = [PastCap(1, hours[1]), PastCap(2, hours[2])]
    found = [cap_at(moment, past, present=3) for moment in hours]
    assert found == [1, 2, 3, 3]


caps = st.integers(0, 2_000)
uses = st.lists(st.tuples(st.integers(0, 900), caps), max_size=20)


@given(uses, st.integers(0, 3_000))
def test_never_is_more_billed_than_the_highest_cap_nor_than_went_beyond(
    happened: list[tuple[int, int]], before: int
) -> None:
    plan = replace(STARTER, request_limit=20)
    used = Used(before, NOW, min(max(0, before - plan.included), 700))
    top = used.billed
    for centiunits, cap in happened:
        billed = used.billed
        used = with_use(used, centiunits, plan=plan, cap=cap)
        assert billed <= used.billed <= max(billed, cap)
        assert used.billed - billed <= centiunits
        top = max(top, cap)
    assert used.billed <= min(max(0, used.centiunits - plan.included), top)
    assert used.centiunits == before + sum(each for each, _cap in happened)


def test_items_and_users_beyond_the_plan_are_told_not_refused() -> None:
    found = statement(0, items=1003, users=501)
    assert (found.item_overage, found.user_overage, found.exceeded) == (3, 1, False)
    assert len(found.warnings) == 2


def test_plans_are_found_by_id() -> None:
    assert plan_of("plan-growth") is GROWTH
    assert plan_of("plan-x") is None
