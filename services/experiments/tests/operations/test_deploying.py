"""Schedules put models into slots: forward only, and each model once."""

import httpx

from chassis.testing import ADMIN, Bench
from contracts.envelope import Event, new_event_id
from contracts.models import ModelRetired
from contracts.slots import SlotChanged, SlotDeleted
from experiments.tests.world import NOW, TENANT, model


def deployed(*model_ids: int) -> list[Event]:
    """Return news of models for one slot, that no inbox knows."""
    return [model(each, 1, deploy_to_slot="auto", event_id=new_event_id()) for each in model_ids]


async def slots(client: httpx.AsyncClient) -> dict[str, int]:
    found = (await client.get("/api/v1/deployment_slot/")).json()["results"]
    return {slot["name"]: slot["trained_model"] for slot in found}


async def test_news_that_comes_again_moves_no_slot_back(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    await bench.deliver(*deployed(31, 32, 33))
    assert await slots(admin) == {"auto": 33}
    told = len(await bench.emitted(SlotChanged))
    await bench.deliver(*deployed(31, 32))
    await bench.deliver(*deployed(33, 32, 31))
    assert await slots(admin) == {"auto": 33}
    assert len(await bench.emitted(SlotChanged)) == told


async def test_an_older_model_that_is_ready_late_stays_out(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    await bench.deliver(*deployed(33))
    await bench.deliver(*deployed(32))
    assert await slots(admin) == {"auto": 33}
    await bench.deliver(*deployed(34))
    assert await slots(admin) == {"auto": 34}


async def test_a_slot_that_somebody_deleted_comes_back_with_a_newer_model_alone(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    await bench.deliver(*deployed(31, 32))
    [slot] = (await admin.get("/api/v1/deployment_slot/")).json()["results"]
    assert (await admin.delete(f"/api/v1/deployment_slot/{slot['id']}/")).status_code == 204
    await bench.deliver(*deployed(31, 32))
    assert await slots(admin) == {}
    await bench.deliver(*deployed(33))
    assert await slots(admin) == {"auto": 33}


async def test_what_somebody_chose_by_hand_stays(bench: Bench, admin: httpx.AsyncClient) -> None:
    await bench.deliver(*deployed(31, 32))
    [slot] = (await admin.get("/api/v1/deployment_slot/")).json()["results"]
    path = f"/api/v1/deployment_slot/{slot['id']}/"
    chosen = {"trained_model": 11, "weight": 3.0, "is_active": False}
    assert (await admin.patch(path, json=chosen)).status_code == 200
    await bench.deliver(*deployed(31, 32))
    found = (await admin.get(path)).json()
    assert {name: found[name] for name in chosen} == chosen


async def test_a_retired_model_is_not_deployed_for_a_moment(bench: Bench) -> None:
    retired = ModelRetired(tenant_id=TENANT, occurred_at=NOW, model_id=31)
    await bench.deliver(*deployed(31), retired)
    before = len(await bench.emitted())
    again = retired.model_copy(update={"event_id": new_event_id()})
    await bench.deliver(*deployed(31), again)
    assert len(await bench.emitted()) == before
    assert len(await bench.emitted(SlotDeleted)) == 1
    async with bench.as_caller(ADMIN) as client:
        assert await slots(client) == {}
