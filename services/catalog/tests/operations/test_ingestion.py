"""Interactions by Kafka: the same events as by HTTP, and nothing stops the stream."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chassis.testing import ADMIN, OTHER_TENANT, TENANT, Bench
from chassis.testing.ids import NO_IDS, ODD_IDS
from contracts.interactions import InteractionRecorded
from contracts.tenants import PersonErased

VIEW = {"userId": "u1", "itemId": "i1", "interactionType": "view"}
Announced = Callable[[], Awaitable[list[InteractionRecorded]]]


def record(**members: Any) -> bytes:
    return json.dumps(VIEW | members).encode()


async def rejects(bench: Bench, tenant_id: str = TENANT) -> list[dict[str, Any]]:
    table = bench.database.metadata.tables["outbox"]
    async with bench.database.engine.connect() as connection:
        rows = (await connection.execute(table.select().order_by(table.c.id))).all()
    topic = f"ingest.{tenant_id}.rejected"
    return [json.loads(row.value) for row in rows if row.topic == topic]


async def test_a_record_is_kept_under_its_tenant(bench: Bench, announced: Announced) -> None:
    await bench.ingest("interactions", record(eventId="e1"))
    await bench.ingest("interactions", record(eventId="e1"), tenant_id=OTHER_TENANT)
    heard = await announced()
    assert [each.tenant_id for each in heard] == [TENANT, OTHER_TENANT]
    assert {(each.source, each.centiunits) for each in heard} == {("kafka", 1)}


async def test_a_record_without_an_id_is_known_by_its_place(
    bench: Bench, announced: Announced
) -> None:
    await bench.ingest("interactions", record(), record())
    await bench.ingest("interactions", record(), record())
    assert len(await announced()) == 2


async def test_the_records_own_time_is_the_events_time(bench: Bench, announced: Announced) -> None:
    await bench.ingest("interactions", record(), record(timestamp=1_700_000_000_000))
    first, second = await announced()
    assert first.occurred_at.timestamp() == 1_768_472_000
    assert second.occurred_at.timestamp() == 1_700_000_000


async def test_both_doors_lead_to_one_event(bench: Bench, announced: Announced) -> None:
    async with bench.as_caller(ADMIN) as client:
        first = await client.post("/api/v1/interactions", json=VIEW | {"eventId": "e1"})
        await bench.ingest("interactions", record(eventId="e1"), record(eventId="e2"))
        again = await client.post("/api/v1/interactions", json=VIEW | {"eventId": "e2"})
        other = await client.post(
            "/api/v1/interactions", json=VIEW | {"eventId": "e2", "value": 0.5}
        )
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 409)
    assert len(await announced()) == 2
    assert await rejects(bench) == []


async def test_an_id_with_another_body_is_rejected(bench: Bench, announced: Announced) -> None:
    await bench.ingest("interactions", record(eventId="e1"))
    await bench.ingest("interactions", b"", record(eventId="e1", userId="u2"))
    refused = await rejects(bench)
    assert [each["code"] for each in refused] == ["INVALID_REQUEST", "CONFLICT"]
    assert refused[1]["field"] == "eventId"
    assert len(await announced()) == 1


@pytest.mark.parametrize(
    ("value", "code", "field"),
    [
        (b"\xff\xfe", "INVALID_REQUEST", None),
        (b"[" * 1_000_000, "INVALID_REQUEST", None),
        (b"null", "VALIDATION_ERROR", "non_field_errors"),
        (b"[]", "VALIDATION_ERROR", "non_field_errors"),
        (b'{"userId":"\\ud800"}', "INVALID_REQUEST", None),
        (b'{"extra":{"\\udfff":1}}', "INVALID_REQUEST", None),
        (record(extra="\x00"), "VALIDATION_ERROR", "extra"),
        (record(extra=float("nan")), "INVALID_REQUEST", None),
        (record(userId=7), "VALIDATION_ERROR", "userId"),
        (record(userId="a\x00"), "VALIDATION_ERROR", "userId"),
        (record(itemId=""), "VALIDATION_ERROR", "itemId"),
        (record(interactionType="stare"), "VALIDATION_ERROR", "interactionType"),
        (record(value=1.01), "VALIDATION_ERROR", "value"),
        (record(value=10**400), "VALIDATION_ERROR", "value"),
        (record(timestamp=10**30), "VALIDATION_ERROR", "timestamp"),
        (record(timestamp="9999-12-31T23:59:59-12:00"), "VALIDATION_ERROR", "timestamp"),
        (record(timestamp="0001-01-01T00:00:00+14:00"), "VALIDATION_ERROR", "timestamp"),
        (record(timestamp="soon"), "VALIDATION_ERROR", "timestamp"),
        (record(metadata="x"), "VALIDATION_ERROR", "metadata"),
        (record(metadata={"n": 10**40}), "VALIDATION_ERROR", "metadata"),
        (record(metadata={"text": "\x00"}), "VALIDATION_ERROR", "metadata"),
    ],
)
async def test_a_bad_record_is_sent_back_and_its_neighbours_are_kept(
    bench: Bench, announced: Announced, value: bytes, code: str, field: str | None
) -> None:
    await bench.ingest("interactions", record(eventId="a"), value, record(eventId="b"))
    [refused] = await rejects(bench)
    assert (refused["code"], refused["field"]) == (code, field)
    assert refused["message"]
    topic = f"ingest.{TENANT}.interactions"
    assert refused["source"] == {"topic": topic, "partition": 0, "offset": 1}
    assert len(refused["record"]) <= 8 * 1024
    assert refused["rejected_at"].endswith("Z")
    assert len(await announced()) == 2


async def test_a_record_that_is_read_twice_is_rejected_once(bench: Bench) -> None:
    await bench.ingest("interactions", b"?")
    await bench.ingest("interactions", b"?")
    assert len(await rejects(bench)) == 1


async def test_what_an_erased_person_did_is_forgotten(bench: Bench, announced: Announced) -> None:
    await bench.ingest("interactions", record(userId="p-uid"), record(userId="u2"))
    await bench.ingest("interactions", record(userId="p-uid"), tenant_id=OTHER_TENANT)
    await bench.deliver(
        PersonErased(tenant_id=TENANT, occurred_at=bench.database.clock(), person_uid="p-uid")
    )
    heard = {(each.tenant_id, each.user_id) for each in await announced()}
    assert heard == {(TENANT, "u2"), (OTHER_TENANT, "p-uid")}


@pytest.mark.parametrize("member", ["userId", "itemId", "sessionId", "requestId", "eventId"])
async def test_what_is_no_id_is_one_reject(bench: Bench, announced: Announced, member: str) -> None:
    await bench.ingest("interactions", *(record(**{member: each}) for each in NO_IDS), record())
    refused = await rejects(bench)
    assert [each["field"] for each in refused] == [member] * len(NO_IDS)
    assert len(await announced()) == 1


async def test_every_id_is_kept_as_it_is_written(bench: Bench, announced: Announced) -> None:
    records = [record(userId=each, itemId=each, sessionId=each) for each in ODD_IDS]
    await bench.ingest("interactions", *records)
    heard = await announced()
    assert [(each.user_id, each.item_id, each.session_id) for each in heard] == [
        (each, each, each) for each in ODD_IDS
    ]
    assert await rejects(bench) == []
