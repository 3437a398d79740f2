"""Interactions over HTTP: who may, once per event id, all or nothing."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from chassis.testing import ADMIN, STRANGER, Bench, key_of
from chassis.testing.ids import NO_IDS
from contracts.catalog import ItemChanged
from contracts.interactions import InteractionRecorded
from contracts.tenants import PersonErased

PATH = "/api/v1/interactions"
VIEW = {"userId": "u1", "itemId": "i1", "interactionType": "view"}
Announced = Callable[[], Awaitable[list[InteractionRecorded]]]


async def post(bench: Bench, body: Any, caller: Any = ADMIN, path: str = PATH, **rest: Any) -> Any:
    async with bench.as_caller(caller) as client:
        return await client.post(path, json=body, **rest)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/batch"])
async def test_an_anonymous_caller_is_refused(bench: Bench, path: str) -> None:
    assert (await post(bench, VIEW, None, path)).status_code == 401


@pytest.mark.parametrize("path", [PATH, f"{PATH}/batch"])
async def test_a_key_without_write_is_refused(bench: Bench, path: str) -> None:
    assert (await post(bench, VIEW, key_of("read", "predict"), path)).status_code == 403


async def test_two_tenants_share_no_event_ids(bench: Bench, announced: Announced) -> None:
    mine = await post(bench, {**VIEW, "eventId": "e1"})
    theirs = await post(bench, {**VIEW, "eventId": "e1", "userId": "other"}, STRANGER)
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["interactionId"] != theirs.json()["interactionId"]
    assert {each.tenant_id for each in await announced()} == {ADMIN.tenant_id, STRANGER.tenant_id}


async def test_an_interaction_is_kept_and_announced(bench: Bench, announced: Announced) -> None:
    answer = await post(bench, {**VIEW, "timestamp": "2026-01-15T10:30:00Z", "sessionId": "s"})
    assert answer.status_code == 201
    body = answer.json()
    assert body["success"] is True
    assert body["timestamp"] == "2026-01-15T10:30:00Z"
    [heard] = await announced()
    assert heard.interaction_id == heard.event_id == body["interactionId"]
    assert (heard.user_id, heard.item_id, heard.weight) == ("u1", "i1", 0.1)
    assert (heard.session_id, heard.centiunits, heard.source) == ("s", 100, "http")


@pytest.mark.parametrize(
    ("sent", "weight"),
    [({"interactionType": "purchase"}, 1.0), ({"value": 0.25}, 0.25), ({"value": 0}, 0.0)],
)
async def test_a_value_overrides_the_weight_of_the_type(
    bench: Bench, announced: Announced, sent: dict[str, Any], weight: float
) -> None:
    await post(bench, VIEW | sent)
    assert [each.weight for each in await announced()] == [weight]


async def test_a_repeat_answers_the_same_and_has_no_effect(
    bench: Bench, announced: Announced
) -> None:
    first = await post(bench, {**VIEW, "eventId": "e1"})
    again = await post(bench, {**VIEW, "eventId": "e1"})
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(await announced()) == 1


async def test_the_header_and_the_member_name_the_same_event(
    bench: Bench, announced: Announced
) -> None:
    first = await post(bench, VIEW, headers={"Idempotency-Key": "e1"})
    again = await post(bench, {**VIEW, "eventId": "e1"})
    both = await post(bench, {**VIEW, "eventId": "e1"}, headers={"Idempotency-Key": "e1"})
    assert first.json() == again.json() == both.json()
    assert len(await announced()) == 1


@pytest.mark.parametrize("event_id", ["é", "注文 1", "🛒"])
async def test_an_id_reads_the_same_in_a_header_and_a_body(
    bench: Bench, announced: Announced, event_id: str
) -> None:
    headers = {b"Idempotency-Key": event_id.encode()}
    by_header = await post(bench, VIEW, headers=headers)
    in_body = await post(bench, {**VIEW, "eventId": event_id})
    both = await post(bench, {**VIEW, "eventId": event_id}, headers=headers)
    assert by_header.json() == in_body.json() == both.json()
    await bench.ingest("interactions", json.dumps({**VIEW, "eventId": event_id}).encode())
    assert len(await announced()) == 1


@pytest.mark.parametrize("key", [b"\xff", b"x" * 129, b"a\tb", b""])
async def test_a_header_that_is_no_id_is_refused(bench: Bench, key: bytes) -> None:
    answer = await post(bench, VIEW, headers={b"Idempotency-Key": key})
    assert (answer.status_code, "Idempotency-Key" in answer.json()) == (400, True)


async def test_a_header_that_contradicts_the_member_is_refused(bench: Bench) -> None:
    answer = await post(bench, {**VIEW, "eventId": "e1"}, headers={"Idempotency-Key": "e2"})
    assert answer.status_code == 400
    assert "eventId" in answer.json()


@pytest.mark.parametrize(
    "other",
    [
        {"userId": "u2"},
        {"interactionType": "like"},
        {"value": 0.1},
        {"timestamp": "2026-01-15T10:30:00Z"},
        {"metadata": {"a": 1}},
    ],
)
async def test_the_same_id_with_another_body_is_a_conflict(
    bench: Bench, announced: Announced, other: dict[str, Any]
) -> None:
    await post(bench, {**VIEW, "eventId": "e1"})
    answer = await post(bench, {**VIEW, "eventId": "e1"} | other)
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    assert len(await announced()) == 1


async def test_the_order_of_members_and_the_spelling_of_times_are_no_difference(
    bench: Bench,
) -> None:
    first = {"eventId": "e", "metadata": {"a": 1, "b": [True]}, "timestamp": 1768473000000}
    again = {"timestamp": "2026-01-15T11:30:00+01:00", "metadata": {"b": [True], "a": 1}}
    assert (await post(bench, VIEW | first)).status_code == 201
    assert (await post(bench, VIEW | first | again)).status_code == 201


async def test_the_same_id_at_the_same_moment_is_one_event(
    bench: Bench, announced: Announced
) -> None:
    answers = await asyncio.gather(*(post(bench, {**VIEW, "eventId": "e1"}) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["interactionId"] for answer in answers}) == 1
    assert len(await announced()) == 1


async def test_an_unknown_item_becomes_a_bare_one_once(bench: Bench) -> None:
    await post(bench, VIEW)
    await post(bench, VIEW)
    [changed] = await bench.emitted(ItemChanged)
    assert (changed.item_id, changed.metadata, changed.is_active) == ("i1", {}, True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("userId", None),
        ("userId", ""),
        ("userId", 7),
        ("userId", "a\u0000b"),
        ("userId", "x" * 257),
        ("itemId", ["i"]),
        ("interactionType", "stare"),
        ("value", 1.5),
        ("value", "0.5"),
        ("value", True),
        ("timestamp", "yesterday"),
        ("timestamp", "2026-01-15T10:30:00"),
        ("timestamp", -1),
        ("timestamp", True),
        ("timestamp", "0001-01-01T00:00:00+14:00"),
        ("eventId", "x" * 129),
        ("metadata", [1]),
        ("metadata", {"n": 2**80}),
        ("metadata", {"a\u0000": 1}),
    ],
)
async def test_a_bad_value_is_named_and_nothing_is_kept(
    bench: Bench, announced: Announced, field: str, value: Any
) -> None:
    answer = await post(bench, VIEW | {field: value})
    assert answer.status_code == 400
    body = answer.json()
    assert body["code"] == "VALIDATION_ERROR"
    assert any(name.split(".")[0] == field for name in body)
    assert await announced() == []


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"",
        b"[" * 100_000,
        b'{"userId":"\\ud800","itemId":"i","interactionType":"view"}',
        b'{"userId":"\xff","itemId":"i","interactionType":"view"}',
        b'{"userId":"u","itemId":"i","interactionType":"view","value":NaN}',
    ],
)
async def test_what_cannot_be_read_is_refused(bench: Bench, raw: bytes) -> None:
    async with bench.as_caller(ADMIN) as client:
        answer = await client.post(PATH, content=raw, headers={"content-type": "application/json"})
    assert answer.status_code == 400


async def test_a_batch_is_kept_in_order(bench: Bench, announced: Announced) -> None:
    rows = [{**VIEW, "itemId": f"i{n}", "eventId": f"e{n % 3}"} for n in (0, 1, 2)]
    answer = await post(bench, {"interactions": [*rows, rows[0]]}, path=f"{PATH}/batch")
    assert answer.status_code == 201
    body = answer.json()
    assert (body["created"], body["duplicates"]) == (3, 1)
    assert [each["eventId"] for each in body["results"]] == ["e0", "e1", "e2", "e0"]
    assert [each["duplicate"] for each in body["results"]] == [False, False, False, True]
    heard = await announced()
    assert [each.item_id for each in heard] == ["i0", "i1", "i2"]
    assert {each.centiunits for each in heard} == {1}


async def test_one_bad_row_refuses_the_whole_batch_and_says_where(
    bench: Bench, announced: Announced
) -> None:
    rows = [VIEW, {"userId": "u"}, 7]
    answer = await post(bench, {"interactions": rows}, path=f"{PATH}/batch")
    assert answer.status_code == 400
    first, second, third = answer.json()["interactions"]
    assert first == {}
    assert second["itemId"] == ["This field is required."]
    assert third
    assert await announced() == []


async def test_one_contradiction_refuses_the_whole_batch(
    bench: Bench, announced: Announced
) -> None:
    await post(bench, {**VIEW, "eventId": "e1"})
    rows = [{**VIEW, "eventId": "e0"}, {**VIEW, "eventId": "e1", "userId": "u2"}]
    answer = await post(bench, {"interactions": rows}, path=f"{PATH}/batch")
    assert answer.status_code == 409
    assert "interactions.1.eventId" in answer.json()
    assert len(await announced()) == 1


async def test_a_batch_sent_again_under_its_key_has_no_effect(
    bench: Bench, announced: Announced
) -> None:
    sent = {"interactions": [VIEW, VIEW]}
    headers = {"Idempotency-Key": "k"}
    first = await post(bench, sent, path=f"{PATH}/batch", headers=headers)
    again = await post(bench, sent, path=f"{PATH}/batch", headers=headers)
    assert (first.json()["created"], again.json()["duplicates"]) == (2, 2)
    assert len(await announced()) == 2


async def test_a_batch_has_bounds(bench: Bench) -> None:
    over = await post(bench, {"interactions": [VIEW] * 1001}, path=f"{PATH}/batch")
    none = await post(bench, {"interactions": []}, path=f"{PATH}/batch")
    absent = await post(bench, {}, path=f"{PATH}/batch")
    assert (over.status_code, none.status_code, absent.status_code) == (400, 201, 400)
    assert absent.json()["interactions"] == ["This field is required."]


async def test_producers_are_told_where_to_connect(bench: Bench) -> None:
    async with bench.as_caller(key_of("write")) as client:
        body = (await client.get("/api/v1/ingest/")).json()
    assert body["interactions_topic"] == f"ingest.{ADMIN.tenant_id}.interactions"
    assert body["rejected_topic"] == f"ingest.{ADMIN.tenant_id}.rejected"
    assert "userId" in body["interaction_schema"]["properties"]
    assert body["bootstrap_servers"]


@pytest.mark.parametrize("member", ["userId", "itemId", "sessionId", "requestId", "eventId"])
async def test_what_is_no_id_is_refused_alone_and_in_a_batch(bench: Bench, member: str) -> None:
    async with bench.as_caller(ADMIN) as client:
        for each in NO_IDS:
            sent = {"userId": "u", "itemId": "i", "interactionType": "view", member: each}
            single = await client.post("/api/v1/interactions", json=sent)
            batch = await client.post("/api/v1/interactions/batch", json={"interactions": [sent]})
            assert (single.status_code, batch.status_code) == (400, 400), ascii(each)
            assert member in single.json()
            assert f"interactions.0.{member}" in batch.json()
        assert (await client.get("/api/items")).json()["total"] == 0


@pytest.mark.parametrize("path", [PATH, f"{PATH}/batch"])
async def test_what_an_erased_person_did_before_is_refused(
    bench: Bench, announced: Announced, path: str
) -> None:
    at = datetime(2026, 1, 15, 12, tzinfo=UTC)
    first = {**VIEW, "eventId": "e1", "timestamp": "2026-01-15T11:00:00Z"}
    assert (await post(bench, first)).status_code == 201
    erased = PersonErased(tenant_id=ADMIN.tenant_id, occurred_at=at, person_uid="u1")
    await bench.deliver(erased, to="erasures")
    for event_id in ("e1", "e2"):  # a repeat, and one that comes late
        late = {**first, "eventId": event_id}
        body = {"interactions": [late]} if path.endswith("batch") else late
        answer = await post(bench, body, path=path)
        assert answer.status_code == 409, answer.text
        assert "erased" in answer.text
    since = {**VIEW, "eventId": "e3", "timestamp": "2026-01-15T13:00:00Z"}
    assert (await post(bench, since)).status_code == 201
    # Another tenant's user of the same id is somebody else.
    assert (await post(bench, first, STRANGER)).status_code == 201
    mine = [each for each in await announced() if each.tenant_id == ADMIN.tenant_id]
    assert [each.occurred_at.hour for each in mine] == [13]
