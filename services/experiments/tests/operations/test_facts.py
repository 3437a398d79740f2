"""Slots follow the models and projects that other services announce."""

import httpx

from chassis.testing import TENANT, Bench
from contracts.catalog import ProjectDeleted
from contracts.models import ModelRetired
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


async def test_a_model_worse_than_popularity_does_not_deploy_itself(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    await bench.deliver(model(13, 1, deploy_to_slot="auto-deploy-shop", deploys_itself=False))
    assert (await admin.get(PATH)).json()["count"] == 0


async def test_a_project_may_be_announced_again(bench: Bench, admin: httpx.AsyncClient) -> None:
    await bench.deliver(project(1), project(1))
    assert (await a_slot(admin))["project"] == 1
