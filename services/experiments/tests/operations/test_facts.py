"""Slots follow the models and projects that other services announce."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import delete

from chassis.testing import TENANT, Bench
from contracts.catalog import ProjectDeleted
from contracts.envelope import Event
from contracts.models import ModelReady, ModelRetired
from contracts.slots import AbTestChanged, SlotChanged, SlotDeleted
from experiments.tests.world import NOW, a_running_test, a_slot, model, project

PATH = "/api/v1/deployment_slot/"


async def test_a_retired_model_takes_its_slots_and_their_tests(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    control = await a_slot(admin, trained_model=11)
    variant = await a_slot(admin, trained_model=12)
    await a_running_test(admin, control_slot=control["id"], variant_slot=variant["id"])
    await bench.deliver(ModelRetired(tenant_id=TENANT, occurred_at=NOW, model_id=12))
    left = (await admin.get(PATH)).json()["results"]
    assert [slot["id"] for slot in left] == [control["id"]]
    assert [e.slot_id for e in await bench.emitted(SlotDeleted)] == [variant["id"]]
    assert (await admin.get("/api/v1/ab_test/")).json()["count"] == 0
    assert [e.running for e in await bench.emitted(AbTestChanged)] == [True, False]
    again = {"project": 1, "name": "x", "trained_model": 12}
    assert (await admin.post(PATH, json=again)).status_code == 400


async def test_a_deleted_project_takes_its_slots(bench: Bench, admin: httpx.AsyncClient) -> None:
    slot = await a_slot(admin)
    other = await a_slot(admin, project=2, trained_model=21)
    await bench.deliver(ProjectDeleted(tenant_id=TENANT, occurred_at=NOW, project_id=1))
    left = (await admin.get(PATH)).json()["results"]
    assert [each["id"] for each in left] == [other["id"]]
    assert [e.slot_id for e in await bench.emitted(SlotDeleted)] == [slot["id"]]


async def test_a_retrained_model_makes_its_slot_and_then_keeps_it(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    await bench.deliver(model(13, 1, deploy_to_slot="auto-deploy-shop"))
    [slot] = (await admin.get(PATH)).json()["results"]
    assert (slot["name"], slot["trained_model"]) == ("auto-deploy-shop", 13)
    assert (slot["weight"], slot["is_active"]) == (100.0, True)
    await admin.patch(f"{PATH}{slot['id']}/", json={"weight": 5, "is_active": False})
    await bench.deliver(model(14, 1, deploy_to_slot="auto-deploy-shop"))
    [updated] = (await admin.get(PATH)).json()["results"]
    assert (updated["id"], updated["trained_model"]) == (slot["id"], 14)
    assert (updated["weight"], updated["is_active"]) == (100.0, True)
    assert [e.revision for e in await bench.emitted(SlotChanged)] == [1, 2, 3]


async def _replayed(bench: Bench, *events: Event) -> None:
    """Deliver events to an inbox that has forgotten them, as after weeks or for another group."""
    async with bench.database.engine.begin() as connection:
        await connection.execute(delete(bench.database.metadata.tables["inbox"]))
    await bench.deliver(*events)


def _generations(count: int) -> list[ModelReady]:
    """Return announcements of models that a weekly schedule made, oldest first."""
    return [
        model(13 + week, 1, deploy_to_slot="auto-deploy-shop").model_copy(
            update={"occurred_at": NOW + timedelta(weeks=week)}
        )
        for week in range(count)
    ]


async def _served(admin: httpx.AsyncClient) -> list[tuple[int, float, bool]]:
    slots = (await admin.get(PATH)).json()["results"]
    return [(slot["trained_model"], slot["weight"], slot["is_active"]) for slot in slots]


@pytest.mark.parametrize("again", [slice(None), slice(0, 2), slice(1, 2), slice(2, None)])
async def test_no_announcement_that_comes_again_puts_an_older_model_back(
    bench: Bench, admin: httpx.AsyncClient, again: slice
) -> None:
    weeks = _generations(4)
    await bench.deliver(*weeks)
    before = await _served(admin)
    told = len(await bench.emitted())
    await _replayed(bench, *weeks[again])
    assert await _served(admin) == before == [(16, 100.0, True)]
    assert len(await bench.emitted()) == told


async def test_what_people_did_to_a_slot_since_stays(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    weeks = _generations(3)
    await bench.deliver(*weeks)
    [slot] = (await admin.get(PATH)).json()["results"]
    body = {"trained_model": 11, "weight": 30, "is_active": False}
    await admin.patch(f"{PATH}{slot['id']}/", json=body)
    await _replayed(bench, *weeks)
    assert await _served(admin) == [(11, 30.0, False)]


async def test_a_slot_that_was_deleted_is_made_again_by_a_newer_model_alone(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    *weeks, newest = _generations(4)
    await bench.deliver(*weeks)
    [slot] = (await admin.get(PATH)).json()["results"]
    await admin.delete(f"{PATH}{slot['id']}/")
    await _replayed(bench, *weeks)
    assert await _served(admin) == []
    await bench.deliver(newest)
    assert await _served(admin) == [(16, 100.0, True)]


async def test_running_tests_keep_their_deal_when_announcements_come_again(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    weeks = _generations(2)
    await bench.deliver(*weeks)
    [slot] = (await admin.get(PATH)).json()["results"]
    test = await a_running_test(admin, control_slot=slot["id"])
    before = (await admin.get(f"/api/v1/ab_test/{test['id']}/")).json()
    await _replayed(bench, *weeks)
    assert (await admin.get(f"/api/v1/ab_test/{test['id']}/")).json() == before


async def test_a_model_worse_than_popularity_does_not_deploy_itself(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    await bench.deliver(model(13, 1, deploy_to_slot="auto-deploy-shop", deploys_itself=False))
    assert (await admin.get(PATH)).json()["count"] == 0


async def test_a_project_may_be_announced_again(bench: Bench, admin: httpx.AsyncClient) -> None:
    await bench.deliver(project(1), project(1))
    assert (await a_slot(admin))["project"] == 1
