"""Cycles, money, allowances and statements, by example."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.cycles import LENGTH, cycle_at
from billing.domain.invoices import fees, overage
from billing.domain.money import SCALE, amount_of, written
from billing.domain.plans import GROWTH, STARTER, Plan, plan_of
from billing.domain.terms import PastPlan, Term, term_at, terms_of
from billing.domain.usage import Part, PastCap, Statement, Used, cap_at, left, with_use
from billing.tests.world import NOW

FIRST = Term(STARTER, "monthly")


def counted(centiunits: int, plan: Plan = STARTER) -> Used:
    return Used((Part(None, plan, centiunits),))


def statement(centiunits: int, cap: int = 100, **rest: int) -> Statement:
    used = with_use(Used(), centiunits, term=FIRST, cap=rest.pop("under", cap) * SCALE)
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
    used = with_use(Used(), centiunits - 1, term=FIRST, cap=cap)
    assert left(used, plan=STARTER, cap=cap) == 1
    assert left(with_use(used, 1, term=FIRST, cap=cap), plan=STARTER, cap=cap) == 0


@pytest.mark.parametrize(
    ("used", "percent", "overage", "amount", "spent"),
    [
        (0, 0.0, 0, 0, False),
        (450_000, 45.0, 0, 0, False),
        (1, 0.0, 0, 0, False),
        (1_000_000, 100.0, 0, 0, False),
        (1_000_001, 100.0, 1, 0, False),
        (1_000_100, 100.01, 100, 100, False),
        (1_999_999, 200.0, 999_999, 999_900, False),
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
    used = with_use(counted(1_000_000), 50_000, term=FIRST, cap=500)
    assert used.billed == 500
    assert left(used, plan=STARTER, cap=500) == 0
    assert left(used, plan=STARTER, cap=10 * SCALE) == 99_500
    used = with_use(used, 7, term=FIRST, cap=10 * SCALE)
    assert (used.billed, used.centiunits) == (507, 1_050_007)


def upgraded(*parts: tuple[Term, int]) -> Used:
    used = Used()
    for term, centiunits in parts:
        used = with_use(used, centiunits, term=term, cap=10_000 * SCALE)
    return used


SECOND = Term(GROWTH, "monthly", since=NOW)
THIRD = Term(STARTER, "monthly", since=NOW + timedelta(days=1))


def test_each_plan_prices_the_time_in_which_it_held() -> None:
    # What went beyond the first plan is billed, and takes nothing from the second.
    used = upgraded((replace(FIRST, until=NOW), 1_000_300), (SECOND, 9_000_000))
    assert (used.billed, used.beyond) == (300, 300)
    assert left(used, plan=GROWTH, cap=SCALE) == SCALE - 300
    # Changing back and forth includes nothing twice.
    used = upgraded((FIRST, 1_000_000), (SECOND, 100), (THIRD, 700))
    assert (used.billed, used.included) == (700, 1_000_100)


@given(st.permutations([(FIRST, 700_000), (FIRST, 500_000), (SECOND, 8_900_000), (THIRD, 9_000)]))
def test_the_sum_beyond_plans_does_not_depend_on_what_was_heard_of_first(
    happened: list[tuple[Term, int]],
) -> None:
    assert upgraded(*happened).billed == 200_000 + 9_000


def test_a_fee_is_for_the_time_in_which_its_plan_held() -> None:
    cycle, third = cycle_at(NOW, NOW), NOW + timedelta(days=10)
    past = [PastPlan(STARTER, "monthly", third), PastPlan(GROWTH, "monthly", third + LENGTH)]
    terms = terms_of(past, STARTER, "annual")
    found = [(line.description, line.quantity, line.amount / SCALE) for line in fees(cycle, terms)]
    assert found == [
        ("Starter, monthly, 2026-01-15 to 2026-01-25", 33, 16.33),
        ("Growth, monthly, 2026-01-25 to 2026-02-14", 67, 99.33),
    ]
    assert fees(cycle_at(NOW, NOW + 3 * LENGTH), terms) == []
    assert [term_at(third + timedelta(days=n), terms).plan for n in (-1, 0, 31)] == [
        STARTER,
        GROWTH,
        STARTER,
    ]


def test_all_that_goes_beyond_a_plan_is_within_the_cap() -> None:
    found = statement(1_000_300, cap=1, items=1_050, users=700)
    assert [(line.quantity, line.amount / SCALE) for line in overage(found, [])] == [
        (300, 0.03),
        (5_000, 0.5),
        (20_000, 0.47),
    ]


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
    term = Term(plan, "monthly")
    used = replace(counted(before, plan), billed=min(max(0, before - plan.included), 700))
    top = used.billed
    for centiunits, cap in happened:
        billed = used.billed
        used = with_use(used, centiunits, term=term, cap=cap)
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
