"""What cannot be handled is kept: for operators with its reason, for tenants without ours."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from chassis.burial import Burial
from chassis.dispatch import Dispatcher
from chassis.outbox import Outgoing
from chassis.subscriptions import IngestedRecord, each, ingested
from chassis.testing import TENANT, Bench, raw_record
from contracts.topics import INGEST_INTERACTIONS, INGEST_REJECTED, MAX_RECORD_BYTES, TENANTS

SOURCE = INGEST_INTERACTIONS.of(TENANT)


class Kafka:
    """Takes everything."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        self.sent += records


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


def failing(bench: Bench, kafka: Kafka) -> Dispatcher:
    async def fail(records: list[IngestedRecord], tx: object) -> None:
        if any(b"poison" in record.value for record in records):
            raise KeyError("password=hunter2 at 10.0.0.7")

    return Dispatcher(
        ingested(INGEST_INTERACTIONS, fail, name="raw"),
        database=bench.database,
        service="shop",
        bury=Burial("shop", bench.database, kafka),
    )


async def waiting(bench: Bench) -> list[tuple[str, bytes]]:
    """Return topic and value of what waits in the outbox."""
    table = bench.database.metadata.tables["outbox"]
    async with bench.database.engine.connect() as connection:
        rows = await connection.execute(select(table.c.topic, table.c.value).order_by(table.c.id))
        return [(row.topic, row.value) for row in rows]


async def test_a_producers_record_comes_back_as_a_reject_that_tells_nothing_of_ours(
    bench: Bench, kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    records = [raw_record(SOURCE, value, at) for at, value in enumerate((b"a", b"poison", b"b"))]
    await failing(bench, kafka).handle(records)
    [(topic, value)] = await waiting(bench)
    assert topic == INGEST_REJECTED.of(TENANT)
    body = json.loads(value)
    assert set(body) == {"code", "field", "message", "source", "record", "rejected_at"}
    assert body["source"] == {"topic": SOURCE, "partition": 0, "offset": 1}
    assert (body["code"], body["field"], body["record"]) == ("INTERNAL", None, "poison")
    assert "hunter2" not in value.decode()
    assert "hunter2" in caplog.text
    assert kafka.sent == []


async def test_a_record_as_large_as_records_may_be_is_cut(bench: Bench, kafka: Kafka) -> None:
    large = b"poison" + b"x" * (MAX_RECORD_BYTES - 200)
    await failing(bench, kafka).handle([raw_record(SOURCE, large, 0)])
    [(_topic, value)] = await waiting(bench)
    assert len(value) < 10_000
    assert json.loads(value)["record"] == large[: 8 * 1024].decode()


async def test_a_record_that_is_read_again_is_told_once(bench: Bench, kafka: Kafka) -> None:
    for _each in range(2):
        await failing(bench, kafka).handle([raw_record(SOURCE, b"poison", 7)])
    assert len(await waiting(bench)) == 1


async def test_a_record_of_ours_becomes_a_dead_letter_with_its_reason(
    bench: Bench, kafka: Kafka, tmp_path: Path
) -> None:
    async def never(event: object, tx: object) -> None:
        raise AssertionError

    dispatcher = Dispatcher(
        each(TENANTS, never, name="tenants"),
        database=bench.database,
        service="shop",
        bury=Burial("shop", bench.database, kafka),
    )
    await dispatcher.handle([raw_record(TENANTS.name, b"{broken", 3)])
    [letter] = kafka.sent
    assert (letter.topic, letter.value) == (TENANTS.dead, b"{broken")
    assert letter.headers["millrace-subscription"] == "shop.tenants"
    assert json.loads(letter.headers["millrace-source"])["offset"] == 3
    assert "ValidationError" in letter.headers["millrace-error"]
