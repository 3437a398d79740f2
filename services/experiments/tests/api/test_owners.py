"""Slots, tests and conversions are whose their project is."""

from dataclasses import replace

import httpx
import pytest

from chassis.testing import ADMIN, MEMBER, Bench
from experiments.tests.world import a_running_test, a_slot, project

FELLOW = replace(MEMBER, subject="fellow-uid", person_id=3)
SLOTS, TESTS, EVENTS = (
    f"/api/v1/{name}/" for name in ("deployment_slot", "ab_test", "conversion_event")
)


@pytest.fixture
async def owned(bench: Bench) -> Bench:
    """Project 1 is the member's; project 2 is nobody's."""
    await bench.deliver(project(1).model_copy(update={"owner_id": MEMBER.person_id}))
    return bench


async def _everything(client: httpx.AsyncClient) -> dict[str, int]:
    test = await a_running_test(client)
    body = {
        "project": 1,
        "deployment_slot": test["control_slot"],
        "user_id": "u",
        "item_id": "i",
        "event_type": "click",
    }
    event = await client.post(EVENTS, json=body)
    assert event.status_code == 201, event.text
    return {SLOTS: test["control_slot"], TESTS: test["id"], EVENTS: event.json()["id"]}


async def test_another_member_sees_nothing_of_it(owned: Bench) -> None:
    async with owned.as_caller(MEMBER) as owner, owned.as_caller(FELLOW) as fellow:
        ids = await _everything(owner)
        for path, row in ids.items():
            assert (await owner.get(f"{path}{row}/")).status_code == 200
            assert (await fellow.get(f"{path}{row}/")).status_code == 404
            assert (await owner.get(path)).json()["count"] > 0
            assert (await fellow.get(path)).json()["count"] == 0
            assert (await fellow.get(f"{path}?project=1")).json()["count"] == 0
        for path in (SLOTS, TESTS):
            assert (await fellow.delete(f"{path}{ids[path]}/")).status_code == 404
            assert (await fellow.patch(f"{path}{ids[path]}/", json={})).status_code == 404
        for action in ("start", "stop", "promote_winner"):
            answer = await fellow.post(f"{TESTS}{ids[TESTS]}/{action}/", json={"slot_id": 1})
            assert answer.status_code == 404
        assert (await fellow.get(f"{TESTS}{ids[TESTS]}/results/")).status_code == 404


async def test_another_member_uses_neither_project_nor_slot(owned: Bench) -> None:
    async with owned.as_caller(MEMBER) as owner, owned.as_caller(FELLOW) as fellow:
        ids = await _everything(owner)
        body = {"project": 1, "name": "theirs", "trained_model": 11}
        foreign = await fellow.post(SLOTS, json=body)
        absent = await fellow.post(SLOTS, json=body | {"project": 999})
        assert foreign.status_code == absent.status_code == 400
        assert set(foreign.json()) == set(absent.json())
        own = await a_slot(fellow, project=2, trained_model=21)
        arms = {"control_slot": own["id"], "variant_slot": ids[SLOTS]}
        mixed = await fellow.post(TESTS, json={"project": 2, "name": "x", **arms})
        assert mixed.status_code == 400


async def test_administrators_see_all_and_everybody_what_is_nobodys(owned: Bench) -> None:
    async with owned.as_caller(MEMBER) as owner, owned.as_caller(ADMIN) as admin:
        await _everything(owner)
        assert (await admin.get(SLOTS)).json()["count"] == 2
    async with owned.as_caller(FELLOW) as fellow:
        await a_slot(fellow, project=2, trained_model=21)
        assert (await fellow.get(SLOTS)).json()["count"] == 1


async def test_another_member_reports_no_conversion(owned: Bench) -> None:
    """At both doors it is told as where there is no such project and no such slot."""
    async with owned.as_caller(MEMBER) as owner, owned.as_caller(FELLOW) as fellow:
        ids = await _everything(owner)
        own = await a_slot(fellow, project=2, trained_model=21)
        for names in (
            {"project": 1, "deployment_slot": ids[SLOTS]},
            {"project": 2, "deployment_slot": ids[SLOTS]},
            {"project": 1, "deployment_slot": own["id"]},
        ):
            event = {**names, "user_id": "u", "event_type": "click"}
            one = await fellow.post(EVENTS, json=event)
            many = await fellow.post(f"{EVENTS}batch/", json={"events": [event]})
            assert one.status_code == many.status_code == 400, (one.text, many.text)
            assert "object does not exist" in one.text
        assert (await owner.get(EVENTS)).json()["count"] == 1
