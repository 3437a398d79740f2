"""Results are exact whatever the order, repetition, door or hour in which conversions arrive."""

import asyncio
import json
import tempfile
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.testing import ADMIN, Bench, FrozenClock, on_the_bench, settings_in
from experiments.app import build
from experiments.tests.world import NOW, a_running_test, a_slot, a_test, model, project, results

START, END = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
Told = dict[str, Any]
BY_USER = ("users", "joined_impressions", "joined_conversions")

conversions = st.fixed_dictionaries(
    {
        "arm": st.sampled_from(["control", "variant"]),
        "minute": st.sampled_from([0, 59, 60, 61, 90, 119, 120, 121, 180]),
        "event_type": st.sampled_from(["impression", "click", "purchase"]),
        "request": st.sampled_from([None, 1, 2, 3]),
        "user": st.sampled_from(["u", "v"]),
    }
)


def expected(told: list[Told], arm: str) -> tuple[int, int]:
    """Count the slow way: impressions and clicks of an arm inside the window."""
    inside = [c for c in told if c["arm"] == arm and 60 <= c["minute"] <= 120]
    shown = [c["request"] for c in inside if c["event_type"] == "impression"]
    named = {request for request in shown if request is not None}
    return len(named) + shown.count(None), sum(c["event_type"] == "click" for c in inside)


def joined(told: list[Told], arm: str) -> tuple[int, int, int]:
    """Count users the slow way, with what they were shown and how much of it they clicked on."""
    inside = [c for c in told if c["arm"] == arm and 60 <= c["minute"] <= 120]
    found = Counter[str]()
    for user in ("u", "v"):
        shown = [c["request"] for c in inside if c["user"] == user and is_shown(c)]
        clicked = [c["request"] for c in inside if c["user"] == user and c["event_type"] == "click"]
        free = [None] * shown.count(None) + sorted(set(shown) - {None} - set(clicked))
        taken = min(len(free), clicked.count(None))
        asked = (set(shown) & set(clicked)) - {None}
        impressions = len(set(shown) - {None}) + shown.count(None)
        found += Counter(users=impressions > 0, shown=impressions, clicked=len(asked) + taken)
    return found["users"], found["shown"], found["clicked"]


def is_shown(told: Told) -> bool:
    return bool(told["event_type"] == "impression")


def record(number: int, told: Told, slots: dict[str, int]) -> bytes:
    request = told["request"]
    body = {
        "eventId": f"e{number}",
        "project": 1,
        "deployment_slot": slots[told["arm"]],
        "user_id": told["user"],
        "event_type": told["event_type"],
        "timestamp": (NOW + timedelta(minutes=told["minute"])).isoformat(),
        "recommendation_request_id": request and f"00000000-0000-4000-8000-00000000000{request}",
    }
    return json.dumps(body).encode()


async def played(told: list[Told], order: list[int], cuts: tuple[int, int]) -> Told:
    """Return the results after the records came in this order, the test started at a cut."""
    clock = FrozenClock(NOW)
    with tempfile.TemporaryDirectory() as folder:
        service = build(settings_in(Path(folder)), patience=0.0)
        service.database.clock = clock
        async with on_the_bench(service) as bench, bench.as_caller(ADMIN) as client:
            await bench.deliver(project(1))
            await bench.deliver(model(11, 1))
            test = await a_test(client)
            slots = {arm: test[f"{arm}_slot"] for arm in ("control", "variant")}
            records = [record(number, told[number], slots) for number in order]
            first, second = cuts
            await deliver(bench, records[:first])
            await move(client, clock, test, "start", START)
            await deliver(bench, records[first:second])
            await move(client, clock, test, "stop", END)
            await deliver(bench, records[second:])
            return await results(client, test)


async def deliver(bench: Bench, records: list[bytes]) -> None:
    for at in range(0, len(records), 5):
        await bench.ingest("conversions", *records[at : at + 5])


async def move(
    client: httpx.AsyncClient, clock: FrozenClock, test: Told, action: str, at: datetime
) -> None:
    clock.moment = at
    assert (await client.post(f"/api/v1/ab_test/{test['id']}/{action}/")).status_code == 200


@settings(max_examples=15, deadline=None)
@given(st.lists(conversions, max_size=14), st.data())
def test_any_order_and_any_repetition_end_in_the_same_results(
    told: list[Told], data: st.DataObject
) -> None:
    places = list(range(len(told)))
    repeats = data.draw(st.lists(st.sampled_from(places), max_size=8) if places else st.just([]))
    order = data.draw(st.permutations(places + repeats))
    low, high = sorted(data.draw(st.tuples(*[st.integers(0, len(order))] * 2)))
    found = asyncio.run(played(told, order, (low, high)))
    for arm in ("control", "variant"):
        counted = (found[f"{arm}_impressions"], found[f"{arm}_conversions"])
        assert counted == expected(told, arm)
        by_user = [found[f"{arm}_{name}"] for name in BY_USER]
        assert tuple(by_user) == joined(told, arm)


async def told_over_http(client: httpx.AsyncClient, slot: int, kind: str, **more: Any) -> None:
    body = {"project": 1, "deployment_slot": slot, "user_id": "u", "event_type": kind} | more
    answer = await client.post("/api/v1/conversion_event/", json=body)
    assert answer.status_code == 201, answer.text


async def test_results_have_recotems_members_and_their_protection(
    admin: httpx.AsyncClient,
) -> None:
    test = await a_running_test(admin, min_sample_size=3)
    for slot, shown, clicked in ((test["control_slot"], 4, 1), (test["variant_slot"], 4, 2)):
        for kind, times in (("impression", shown), ("click", clicked)):
            for _time in range(times):
                await told_over_http(admin, slot, kind)
    found = await results(admin, test)
    assert {name: found[name] for name in found if name.startswith(("control", "variant"))} == {
        "control_impressions": 4,
        "control_conversions": 1,
        "control_rate": 0.25,
        "variant_impressions": 4,
        "variant_conversions": 2,
        "variant_rate": 0.5,
        "control_users": 1,
        "control_joined_impressions": 4,
        "control_joined_conversions": 1,
        "control_joined_rate": 0.25,
        "control_joined_rate_error": None,
        "variant_users": 1,
        "variant_joined_impressions": 4,
        "variant_joined_conversions": 2,
        "variant_joined_rate": 0.5,
        "variant_joined_rate_error": None,
    }
    assert (found["lift"], found["min_sample_size"], found["sufficient_data"]) == (100.0, 3, True)
    assert (found["z_score"], found["significant"]) == (0.7303, False)
    assert len(found["confidence_interval"]) == len(found["always_valid_interval"]) == 2
    # One user in each arm: nothing can be said.
    assert (found["always_valid_p_value"], found["always_valid_significant"]) == (1.0, False)
    assert found["always_valid_interval"] == [-1.0, 1.0]
    assert (found["expected_control_share"], found["sample_ratio_mismatch"]) == (0.5, False)
    assert found["sample_ratio_p_value"] == 1.0
    assert found["required_sample_size_per_arm"] is None
    assert found["sample_size_still_needed"] is None


async def test_a_draft_has_results_without_counts(admin: httpx.AsyncClient) -> None:
    test = await a_test(admin)
    await told_over_http(admin, test["control_slot"], "impression")
    found = await results(admin, test)
    assert found["control_impressions"] == 0
    assert (found["p_value"], found["significant"], found["lift"]) == (1.0, False, 0.0)
    assert found["confidence_interval"] == [0.0, 0.0]
    assert found["sample_ratio_p_value"] is None


async def test_more_clicks_than_impressions_are_no_error(admin: httpx.AsyncClient) -> None:
    test = await a_running_test(admin)
    for arm in ("control_slot", "variant_slot"):
        for kind in ("impression", "click", "click", "click"):
            await told_over_http(admin, test[arm], kind)
    assert (await results(admin, test))["control_rate"] == 3.0


async def test_two_tests_on_one_slot_each_count_for_themselves(admin: httpx.AsyncClient) -> None:
    shared = await a_slot(admin)
    request = {"recommendation_request_id": "0f8fad5b-d9cb-469f-a165-70867728950e"}
    first = await a_running_test(admin, control_slot=shared["id"])
    await told_over_http(admin, shared["id"], "impression", **request)
    second = await a_running_test(admin, control_slot=shared["id"])
    # Both windows include the moment at which the second began.
    await told_over_http(admin, shared["id"], "impression", **request)
    await told_over_http(admin, shared["id"], "impression")
    assert (await results(admin, first))["control_impressions"] == 2
    assert (await results(admin, second))["control_impressions"] == 2


async def test_the_expected_split_is_that_of_the_start(admin: httpx.AsyncClient) -> None:
    test = await a_running_test(admin)
    slot = f"/api/v1/deployment_slot/{test['control_slot']}/"
    for change in ({"name": "renamed"}, {"weight": 10}, {"is_active": False}):
        await admin.patch(slot, json=change)
        assert (await results(admin, test))["expected_control_share"] == 0.5
    await admin.post(f"/api/v1/ab_test/{test['id']}/stop/")
    assert (await results(admin, test))["expected_control_share"] == 0.5


async def test_tests_that_share_one_slot_expect_no_split_of_requests(
    admin: httpx.AsyncClient,
) -> None:
    first = await a_running_test(admin)
    twin = await a_running_test(
        admin, control_slot=first["control_slot"], variant_slot=first["variant_slot"]
    )
    for test in (first, twin):
        assert (await results(admin, test))["expected_control_share"] == 0.5
    beside = await a_running_test(admin, control_slot=first["control_slot"])
    for test in (first, twin, beside):
        assert (await results(admin, test))["expected_control_share"] is None
