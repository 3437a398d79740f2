"""Conversions from producers: the same events as over HTTP, and rejects that say why."""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from chassis.testing import OTHER_TENANT, TENANT, Bench
from chassis.testing.ids import NO_IDS
from contracts.conversions import ConversionRecorded
from experiments.tests.world import a_slot

REJECTED = f"ingest.{TENANT}.rejected"


@pytest.fixture
async def body(admin: httpx.AsyncClient) -> dict[str, Any]:
    """A click on what a slot of project 1 has shown."""
    slot = await a_slot(admin)
    return {"project": 1, "deployment_slot": slot["id"], "user_id": "u", "event_type": "click"}


async def told(bench: Bench, *bodies: object, tenant_id: str = TENANT) -> None:
    values = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in bodies]
    await bench.ingest("conversions", *values, tenant_id=tenant_id)


async def rejects(bench: Bench) -> list[dict[str, Any]]:
    table = bench.database.metadata.tables["outbox"]
    async with bench.database.engine.connect() as connection:
        rows = await connection.execute(select(table.c.value).where(table.c.topic == REJECTED))
        return [json.loads(row.value) for row in rows]


async def test_another_tenants_slot_is_rejected(bench: Bench, body: dict[str, Any]) -> None:
    await told(bench, body, tenant_id=OTHER_TENANT)
    assert await bench.emitted(ConversionRecorded) == []


async def test_a_record_is_kept_for_a_hundredth_of_a_unit(
    bench: Bench, body: dict[str, Any]
) -> None:
    await told(bench, body | {"timestamp": "2026-01-01T01:00:00+01:00"}, body)
    first, second = await bench.emitted(ConversionRecorded)
    assert (first.source, first.centiunits) == ("kafka", 1)
    assert first.occurred_at.isoformat() == "2026-01-01T00:00:00+00:00"
    # Without a time and an id of its own, the record's stand in.
    assert second.occurred_at.timestamp() == 1_768_472_000.001
    assert second.event_id == f"ingest.{TENANT}.conversions:0:1"


async def test_a_time_may_be_epoch_milliseconds(bench: Bench, body: dict[str, Any]) -> None:
    await told(bench, body | {"timestamp": 1_768_000_000_123})
    [event] = await bench.emitted(ConversionRecorded)
    assert event.occurred_at.timestamp() == 1_768_000_000.123


async def test_the_same_id_through_the_other_door_is_the_same_event(
    bench: Bench, admin: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    said = body | {"eventId": "e1"}
    answer = await admin.post("/api/v1/conversion_event/", json=said)
    await told(bench, said, said | {"timestamp": 5}, body | {"eventId": "e2"})
    again = await admin.post("/api/v1/conversion_event/", json=body | {"eventId": "e2"})
    assert (answer.status_code, again.status_code) == (201, 201)
    events = await bench.emitted(ConversionRecorded)
    assert [(e.event_id, e.source) for e in events] == [("e1", "http"), ("e2", "kafka")]
    assert await rejects(bench) == []


async def test_records_read_again_change_nothing(bench: Bench, body: dict[str, Any]) -> None:
    for _time in range(2):
        await told(bench, body, body | {"project": 9999}, b"{")
    assert len(await bench.emitted(ConversionRecorded)) == 1
    assert len(await rejects(bench)) == 2


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"project": 9999}, "VALIDATION_ERROR", "project"),
        ({"project": 9}, "VALIDATION_ERROR", "project"),
        ({"project": "1"}, "VALIDATION_ERROR", "project"),
        ({"deployment_slot": 9999}, "VALIDATION_ERROR", "deployment_slot"),
        ({"project": 2}, "FORBIDDEN", None),
        ({"user_id": ""}, "VALIDATION_ERROR", "user_id"),
        ({"event_type": "view"}, "VALIDATION_ERROR", "event_type"),
        ({"timestamp": "2026-01-01T00:00:00"}, "VALIDATION_ERROR", "timestamp"),
        ({"timestamp": "9999-12-31T23:59:59-12:00"}, "VALIDATION_ERROR", "timestamp"),
        ({"metadata_json": {"a": "\x00"}}, "VALIDATION_ERROR", "metadata_json"),
    ],
)
async def test_a_refused_record_is_told_with_its_reason(
    bench: Bench, body: dict[str, Any], change: dict[str, Any], code: str, field: str | None
) -> None:
    await told(bench, body, body | change)
    assert len(await bench.emitted(ConversionRecorded)) == 1
    [reject] = await rejects(bench)
    assert (reject["code"], reject["field"]) == (code, field)
    assert reject["message"]
    assert reject["source"] == {
        "topic": f"ingest.{TENANT}.conversions",
        "partition": 0,
        "offset": 1,
    }
    assert json.loads(reject["record"]) == body | change
    assert reject["rejected_at"] == "2026-01-15T10:30:00Z"


@pytest.mark.parametrize(
    "value", [b"", b"{", b"\xff\xfe", b"[]", b"5", b"null", b'{"user_id":"\\ud800"}', b"[" * 9999]
)
async def test_what_is_no_object_is_rejected(bench: Bench, value: bytes) -> None:
    await told(bench, value)
    [reject] = await rejects(bench)
    assert reject["code"] in {"INVALID_REQUEST", "VALIDATION_ERROR"}


async def test_a_conflicting_repeat_is_rejected(bench: Bench, body: dict[str, Any]) -> None:
    said = body | {"eventId": "e1", "timestamp": 1_768_000_000_000}
    await told(bench, said, said, said | {"user_id": "v"}, said | {"timestamp": 1_768_000_000_001})
    assert len(await bench.emitted(ConversionRecorded)) == 1
    assert [reject["code"] for reject in await rejects(bench)] == ["CONFLICT", "CONFLICT"]


async def test_a_huge_record_is_shown_in_part(bench: Bench) -> None:
    await told(bench, b"x" * 50_000)
    [reject] = await rejects(bench)
    assert reject["record"] == "x" * 8192


@pytest.mark.parametrize("member", ["user_id", "item_id", "eventId"])
async def test_what_is_no_id_is_one_reject(bench: Bench, body: dict[str, Any], member: str) -> None:
    texts = NO_IDS[1:] if member == "item_id" else NO_IDS
    await told(bench, *(body | {member: text} for text in texts), body)
    assert [reject["field"] for reject in await rejects(bench)] == [member] * len(texts)
    assert len(await bench.emitted(ConversionRecorded)) == 1
