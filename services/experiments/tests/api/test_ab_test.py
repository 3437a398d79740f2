"""`/api/v1/ab_test`: the way of a test from draft to promoted winner."""

from typing import Any

import httpx
import pytest

from chassis.testing import Bench, FrozenClock, key_of
from contracts.slots import AbTestChanged, SlotChanged
from experiments.tests.world import a_running_test, a_slot, a_test

PATH = "/api/v1/ab_test/"
ACTIONS = ("start", "stop", "promote_winner")


async def test_an_anonymous_caller_is_refused(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get(PATH)).status_code == 401
    assert (await anonymous.post(PATH, json={})).status_code == 401
    assert (await anonymous.get(f"{PATH}1/results/")).status_code == 401
    for action in ACTIONS:
        assert (await anonymous.post(f"{PATH}1/{action}/")).status_code == 401


async def test_another_tenants_tests_do_not_exist(
    bench: Bench, admin: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    test = await a_test(admin)
    one = f"{PATH}{test['id']}/"
    assert (await stranger.get(PATH)).json()["count"] == 0
    assert (await stranger.get(one)).status_code == 404
    assert (await stranger.get(f"{one}results/")).status_code == 404
    assert (await stranger.patch(one, json={"name": "x"})).status_code == 404
    assert (await stranger.delete(one)).status_code == 404
    for action in ACTIONS:
        assert (await stranger.post(f"{one}{action}/")).status_code == 404
    assert (await admin.get(one)).json() == test
    assert await bench.emitted(AbTestChanged) == []


async def test_a_foreign_slot_looks_like_an_absent_one(
    admin: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    foreign = await a_slot(stranger, project=9, trained_model=91)
    own = await a_slot(admin)
    for slot in (foreign["id"], 9999):
        answer = await admin.post(
            PATH,
            json={"project": 1, "name": "t", "control_slot": own["id"], "variant_slot": slot},
        )
        assert answer.status_code == 400
        assert answer.json()["variant_slot"] == [f'Invalid pk "{slot}" - object does not exist.']


async def test_a_draft_has_recotems_members_and_defaults(admin: httpx.AsyncClient) -> None:
    test = await a_test(admin, name="colours", status="RUNNING", winner_slot=7)
    assert test == {
        "id": test["id"],
        "project": 1,
        "name": "colours",
        "status": "DRAFT",
        "control_slot": test["control_slot"],
        "variant_slot": test["variant_slot"],
        "target_metric_name": "ctr",
        "min_sample_size": 1000,
        "confidence_level": 0.95,
        "started_at": None,
        "ended_at": None,
        "winner_slot": None,
        "ins_datetime": "2026-01-15T10:30:00Z",
        "updated_at": "2026-01-15T10:30:00Z",
    }


@pytest.mark.parametrize(
    ("change", "member", "message"),
    [
        (
            {"target_metric_name": "x"},
            "target_metric_name",
            "Invalid metric 'x'. Valid options: ctr, purchase_rate, conversion_rate",
        ),
        (
            {"confidence_level": 0.4},
            "confidence_level",
            "Ensure this value is greater than or equal to 0.5.",
        ),
        (
            {"confidence_level": 0.995},
            "confidence_level",
            "Ensure this value is less than or equal to 0.99.",
        ),
        ({"min_sample_size": "many"}, "min_sample_size", "A valid integer is required."),
        ({"name": " "}, "name", None),
    ],
)
async def test_a_bad_value_is_refused(
    admin: httpx.AsyncClient, change: dict[str, Any], member: str, message: str | None
) -> None:
    control, variant = (await a_slot(admin))["id"], (await a_slot(admin))["id"]
    body = {"project": 1, "name": "t", "control_slot": control, "variant_slot": variant}
    answer = await admin.post(PATH, json=body | change)
    assert answer.status_code == 400
    assert message is None or answer.json()[member] == [message]
    assert member in answer.json()


async def test_slots_must_differ_and_be_of_the_project(admin: httpx.AsyncClient) -> None:
    here, there = await a_slot(admin), await a_slot(admin, project=2, trained_model=21)
    body = {"project": 1, "name": "t", "control_slot": here["id"], "variant_slot": there["id"]}
    answer = await admin.post(PATH, json=body)
    assert answer.json()["variant_slot"] == ["Variant slot does not belong to this project."]
    answer = await admin.post(
        PATH, json=body | {"control_slot": there["id"], "variant_slot": here["id"]}
    )
    assert answer.json()["control_slot"] == ["Control slot does not belong to this project."]
    answer = await admin.post(PATH, json=body | {"variant_slot": here["id"]})
    assert (answer.status_code, "variant_slot" in answer.json()) == (400, True)


async def test_start_and_stop_open_and_close_the_window(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    test = await a_running_test(admin)
    assert (test["status"], test["started_at"]) == ("RUNNING", "2026-01-15T10:30:00Z")
    clock.advance(hours=1)
    stopped = (await admin.post(f"{PATH}{test['id']}/stop/")).json()
    assert (stopped["status"], stopped["ended_at"]) == ("COMPLETED", "2026-01-15T11:30:00Z")
    events = await bench.emitted(AbTestChanged)
    assert [(e.running, e.revision) for e in events] == [(True, 1), (False, 2)]
    assert events[0].control_slot_id == test["control_slot"]


async def test_an_action_without_a_body_may_name_any_media_type(
    admin: httpx.AsyncClient,
) -> None:
    test = await a_test(admin)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await admin.post(f"{PATH}{test['id']}/start/", headers=headers)
    assert answer.status_code == 200
    answer = await admin.post(f"{PATH}{test['id']}/stop/", headers=headers, content="a=1")
    assert answer.status_code == 415


async def test_each_action_needs_its_state(admin: httpx.AsyncClient) -> None:
    test = await a_test(admin)
    one = f"{PATH}{test['id']}/"

    async def error(action: str, body: object = None) -> str:
        answer = await admin.post(f"{one}{action}/", json=body)
        assert answer.status_code == 400
        said: str = answer.json()["error"]
        return said

    assert await error("stop") == "Can only stop RUNNING tests"
    assert await error("promote_winner", {"slot_id": test["control_slot"]}) == (
        "Can only promote winner of COMPLETED tests"
    )
    assert (await admin.post(f"{one}start/")).status_code == 200
    assert await error("start") == "Can only start tests in DRAFT status"
    assert (await admin.post(f"{one}stop/")).status_code == 200
    assert await error("start") == "Can only start tests in DRAFT status"
    assert await error("stop") == "Can only stop RUNNING tests"


@pytest.mark.parametrize("body", [None, {}, {"slot_id": "1"}, {"slot_id": True}, [], 5, "x"])
async def test_only_an_arm_can_win(admin: httpx.AsyncClient, body: object) -> None:
    test = await a_running_test(admin)
    await admin.post(f"{PATH}{test['id']}/stop/")
    answer = await admin.post(f"{PATH}{test['id']}/promote_winner/", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"] == "slot_id must be one of the test slots"


async def test_the_winner_takes_all_and_inference_hears_it(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    control = await a_slot(admin, weight=10, is_active=True)
    test = await a_running_test(admin, control_slot=control["id"])
    await admin.post(f"{PATH}{test['id']}/stop/")
    before = len(await bench.emitted(SlotChanged))
    answer = await admin.post(
        f"{PATH}{test['id']}/promote_winner/", json={"slot_id": control["id"]}
    )
    assert answer.status_code == 200
    assert answer.json() == {"status": "promoted", "winner_slot_id": control["id"]}
    assert (await admin.get(f"{PATH}{test['id']}/")).json()["winner_slot"] == control["id"]
    events = (await bench.emitted(SlotChanged))[before:]
    assert {(e.slot_id, e.weight, e.is_active, e.revision) for e in events} == {
        (control["id"], 100, True, 2),
        (test["variant_slot"], 100, False, 2),
    }


async def test_promoting_the_other_arm_later_turns_the_tables(admin: httpx.AsyncClient) -> None:
    test = await a_running_test(admin)
    await admin.post(f"{PATH}{test['id']}/stop/")
    for winner in (test["control_slot"], test["variant_slot"]):
        await admin.post(f"{PATH}{test['id']}/promote_winner/", json={"slot_id": winner})
    slots = {
        row["id"]: row["is_active"]
        for row in (await admin.get("/api/v1/deployment_slot/")).json()["results"]
    }
    assert slots == {test["control_slot"]: False, test["variant_slot"]: True}


async def test_what_the_counts_rest_on_stays_once_started(admin: httpx.AsyncClient) -> None:
    test = await a_running_test(admin)
    other = await a_slot(admin)
    one = f"{PATH}{test['id']}/"
    for change in ({"control_slot": other["id"]}, {"target_metric_name": "purchase_rate"}):
        answer = await admin.patch(one, json=change)
        assert answer.status_code == 400
        assert answer.json()[next(iter(change))] == ["A test that has started cannot change this."]
    body = {name: test[name] for name in ("project", "control_slot", "variant_slot")}
    answer = await admin.put(one, json=body | {"name": "renamed", "status": "DRAFT"})
    assert (answer.status_code, answer.json()["name"]) == (200, "renamed")
    assert answer.json()["status"] == "RUNNING"


async def test_a_draft_may_change_its_slots(admin: httpx.AsyncClient) -> None:
    test, other = await a_test(admin), await a_slot(admin)
    answer = await admin.patch(f"{PATH}{test['id']}/", json={"control_slot": other["id"]})
    assert answer.json()["control_slot"] == other["id"]
    answer = await admin.patch(f"{PATH}{test['id']}/", json={"variant_slot": other["id"]})
    assert answer.status_code == 400


async def test_tests_on_the_same_slots_deal_as_the_one_that_runs(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    first = await a_running_test(admin)
    slots = {name: first[name] for name in ("control_slot", "variant_slot")}
    await admin.patch(f"/api/v1/deployment_slot/{slots['control_slot']}/", json={"weight": 1})
    await a_running_test(admin, **slots)
    await a_running_test(admin, control_slot=slots["variant_slot"])
    of_first, twin, beside = await bench.emitted(AbTestChanged)
    told = ("deal_test_id", "control_weight", "variant_weight", "control_low", "control_high")
    assert [getattr(twin, name) for name in told] == [getattr(of_first, name) for name in told]
    assert twin.deal_test_id == first["id"]
    assert (beside.deal_test_id, beside.control_low, beside.control_high) == (first["id"], 0.5, 1.0)


async def test_slots_that_serve_the_same_users_cannot_be_compared(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    first, second = await a_running_test(admin), await a_running_test(admin)
    arms = {"control_slot": first["control_slot"], "variant_slot": second["variant_slot"]}
    across = await a_test(admin, **arms)
    answer = await admin.post(f"{PATH}{across['id']}/start/")
    assert answer.status_code == 400
    assert f"{first['id']} and {second['id']}" in answer.json()["error"]
    assert (await admin.get(f"{PATH}{across['id']}/")).json() == across
    assert len(await bench.emitted(AbTestChanged)) == 2
    await admin.post(f"{PATH}{second['id']}/stop/")
    assert (await admin.post(f"{PATH}{across['id']}/start/")).status_code == 200


async def test_a_winner_whose_slot_another_test_holds_waits_for_its_end(
    admin: httpx.AsyncClient,
) -> None:
    control = await a_slot(admin, weight=10)
    done = await a_running_test(admin, control_slot=control["id"])
    await admin.post(f"{PATH}{done['id']}/stop/")
    running = await a_running_test(admin, control_slot=control["id"])
    answer = await admin.post(
        f"{PATH}{done['id']}/promote_winner/", json={"slot_id": control["id"]}
    )
    assert answer.json() == {
        "status": "promoted",
        "winner_slot_id": control["id"],
        "applies_after_ab_test": running["id"],
    }


async def test_lists_are_filtered_by_project_and_status(admin: httpx.AsyncClient) -> None:
    draft, running = await a_test(admin), await a_running_test(admin)

    async def ids(query: str) -> list[int]:
        return [row["id"] for row in (await admin.get(f"{PATH}?{query}")).json()["results"]]

    assert await ids("") == [running["id"], draft["id"]]
    assert await ids("status=RUNNING&project=1") == [running["id"]]
    assert await ids("project=2") == []
    assert (await admin.get(f"{PATH}?status=LOST")).status_code == 400


async def test_deleting_a_running_test_lets_its_users_go(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    test = await a_running_test(admin)
    assert (await admin.delete(f"{PATH}{test['id']}/")).status_code == 204
    assert [e.running for e in await bench.emitted(AbTestChanged)] == [True, False]
    assert (await admin.get(f"{PATH}{test['id']}/")).status_code == 404


async def test_a_key_of_another_project_finds_nothing(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    test = await a_test(admin)
    async with bench.as_caller(key_of("read", "write", project=2)) as key:
        assert (await key.get(f"{PATH}{test['id']}/results/")).status_code == 404
        assert (await key.post(f"{PATH}{test['id']}/start/")).status_code == 404
        assert (await key.delete(f"{PATH}{test['id']}/")).status_code == 404
        assert (await key.get(PATH)).json()["count"] == 0
