"""`/api/analytics`: what a tenant's administrators see of their days."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, func, select

from chassis.testing import MEMBER, OTHER_TENANT, TENANT, Bench, FrozenClock, key_of
from contracts.catalog import ItemChanged, ItemDeleted
from contracts.interactions import InteractionRecorded, InteractionType
from contracts.models import ModelRetired, TuningConcluded
from contracts.serving import Served
from contracts.tenants import PersonErased
from experiments.operations import analytics
from experiments.store import analytics as analytics_store
from experiments.store.tables import ActiveUserRow
from experiments.tests.world import NOW, a_slot, model

STATS, DATA = "/api/analytics/stats", "/api/analytics/data"


def interaction(user_id: str, days: int = 0, tenant_id: str = TENANT) -> InteractionRecorded:
    return InteractionRecorded(
        tenant_id=tenant_id,
        occurred_at=NOW + timedelta(days=days),
        sequence=1,
        interaction_id="i",
        user_id=user_id,
        item_id="i",
        interaction_type=InteractionType.VIEW,
        weight=0.1,
        source="http",
        centiunits=100,
    )


def served(days: int = 0) -> Served:
    return Served(
        tenant_id=TENANT,
        occurred_at=NOW + timedelta(days=days),
        request_id="r",
        operation="recommend",
        user_id="u",
        centiunits=100,
    )


def item(item_id: str, revision: int) -> ItemChanged:
    return ItemChanged(
        tenant_id=TENANT,
        occurred_at=NOW,
        item_id=item_id,
        metadata={},
        is_active=True,
        revision=revision,
    )


async def stats(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get(STATS)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_only_administrators_of_the_tenant_see_anything(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    for path in (STATS, DATA):
        assert (await anonymous.get(path)).status_code == 401
        for caller in (MEMBER, key_of("read")):
            async with bench.as_caller(caller) as client:
                assert (await client.get(path)).status_code == 403


async def test_another_tenants_days_are_its_own(
    bench: Bench, admin: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await bench.deliver(interaction("u"), interaction("v"), interaction("w", 0, OTHER_TENANT))
    assert (await stats(stranger))["totalUsers"] == 1
    assert (await stats(stranger))["activeModels"] == 1
    assert (await stats(admin))["totalInteractions"] == 2


async def test_totals_are_counted_from_facts(bench: Bench, admin: httpx.AsyncClient) -> None:
    await bench.deliver(*[interaction(f"u{n % 3}", days=-n // 4) for n in range(9)])
    again = interaction("u9")
    await bench.deliver(again, again)
    await bench.deliver(*[served() for _answer in range(5)], served(-200))
    await bench.deliver(item("a", 1), item("b", 1))
    gone = ItemDeleted(tenant_id=TENANT, occurred_at=NOW, item_id="a", revision=2)
    await bench.deliver(gone, item("a", 1))
    assert await stats(admin) == {
        "totalUsers": 4,
        "totalItems": 1,
        "totalRecommendations": 6,
        "totalInteractions": 10,
        "activeModels": 3,
        "dailyActiveUsers": 2,
        "avgAccuracy": 0.0,
    }


async def test_of_an_algorithm_only_the_newest_model_is_active(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    for model_id in (11, 12, 21):
        await bench.deliver(ModelRetired(tenant_id=TENANT, occurred_at=NOW, model_id=model_id))
    old = model(31, None, algorithm="hybrid", metrics={"hit": 0.2})
    new = model(32, None, algorithm="hybrid", metrics={"hit": 0.6})
    own = model(33, 1, metrics={"hit": 0.9, "measured": True})
    unmeasured = model(34, 1, metrics={"measured": False})
    await bench.deliver(old, new, own, unmeasured)
    await bench.deliver(
        TuningConcluded(tenant_id=TENANT, occurred_at=NOW, tuning_job_id=31, project_id=1)
    )
    found = await stats(admin)
    assert (found["activeModels"], found["avgAccuracy"]) == (3, 0.75)


@pytest.mark.parametrize(("period", "length"), [("7d", 7), ("30d", 30), ("90d", 90)])
async def test_a_period_has_all_its_days_in_order(
    bench: Bench, admin: httpx.AsyncClient, period: str, length: int
) -> None:
    await bench.deliver(served(), served(), served(-6), interaction("u", -6), interaction("v", -6))
    days = (await admin.get(f"{DATA}?period={period}")).json()
    assert len(days) == length
    assert [day["date"] for day in days] == sorted(day["date"] for day in days)
    assert days[-1] == {
        "date": "2026-01-15",
        "totalRecommendations": 2,
        "activeUsers": 0,
        "accuracy": 0.0,
    }
    assert days[-7] == {
        "date": "2026-01-09",
        "totalRecommendations": 1,
        "activeUsers": 2,
        "accuracy": 0.0,
    }


async def test_the_default_period_is_a_week(admin: httpx.AsyncClient) -> None:
    assert len((await admin.get(DATA)).json()) == 7


@pytest.mark.parametrize("period", ["1d", "", "7D", "7d ", "all"])
async def test_other_periods_are_refused(admin: httpx.AsyncClient, period: str) -> None:
    answer = await admin.get(DATA, params={"period": period})
    assert answer.status_code == 400
    assert "period" in answer.json()


async def test_an_erased_person_is_forgotten_and_stays_counted(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    slot = await a_slot(admin)
    body = {"project": 1, "deployment_slot": slot["id"], "user_id": "p", "event_type": "click"}
    await admin.post("/api/v1/conversion_event/", json=body)
    await bench.deliver(interaction("p"), interaction("q"))
    await bench.deliver(PersonErased(tenant_id=TENANT, occurred_at=clock(), person_uid="p"))
    [told] = (await admin.get("/api/v1/conversion_event/")).json()["results"]
    assert told["user_id"] == "erased"
    found = await stats(admin)
    assert (found["totalUsers"], found["dailyActiveUsers"], found["totalInteractions"]) == (1, 1, 2)


async def rows_of_days(bench: Bench) -> int:
    async with bench.database.transaction(tenant_id=None) as tx:
        return await tx.session.scalar(select(func.count(ActiveUserRow.user_id))) or 0


async def test_days_that_nobody_can_ask_for_become_a_number(
    bench: Bench,
    admin: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
    clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(analytics_store, "_SOME", 2)
    many = [interaction(f"u{n}") for n in range(5)]
    await bench.deliver(*many, interaction("u0", 1), interaction("w", 0, OTHER_TENANT))
    before = (await admin.get(f"{DATA}?period=90d")).json()
    clock.advance(days=95)
    assert await analytics.sum_up(bench.database) == 3
    assert await rows_of_days(bench) == 0
    clock.advance(days=-95)

    # Even who could ask for it still gets the same.
    assert (await admin.get(f"{DATA}?period=90d")).json() == before
    found = await stats(admin)
    assert (found["totalUsers"], found["dailyActiveUsers"], found["totalInteractions"]) == (5, 5, 6)
    assert (await stats(stranger))["dailyActiveUsers"] == 1


async def test_a_late_fact_of_such_a_day_is_counted_and_brings_no_row_back(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await bench.deliver(interaction("u"))
    clock.advance(days=94)
    await analytics.sum_up(bench.database)
    await bench.deliver(interaction("v"))

    assert await analytics.sum_up(bench.database) == 0
    assert await rows_of_days(bench) == 0
    found = await stats(admin)
    assert (found["totalUsers"], found["totalInteractions"]) == (2, 2)


async def test_what_the_longest_period_shows_is_kept(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await bench.deliver(interaction("u"))
    clock.advance(days=89)

    assert await analytics.sum_up(bench.database) == 0
    assert (await admin.get(f"{DATA}?period=90d")).json()[0]["activeUsers"] == 1


async def test_many_items_take_one_question(bench: Bench, admin: httpx.AsyncClient) -> None:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    event.listen(bench.database.engine.sync_engine, "before_cursor_execute", note)
    await bench.deliver(*[item(f"i{n}", 1) for n in range(50)])

    assert (await stats(admin))["totalItems"] == 50
    [_one] = [each for each in asked if each.startswith("SELECT known_item.tenant_id")]
