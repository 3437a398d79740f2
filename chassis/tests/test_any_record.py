"""Whatever a record holds, it ends in one place: handled, refused once, or a dead letter."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from chassis import retrying
from chassis.batches import Unread
from chassis.burial import Burial
from chassis.database import Transaction
from chassis.dead_letters import DeadLetter, _copy, _letter, _table
from chassis.dispatch import Dispatcher
from chassis.kafka import _bytes, headers_sent
from chassis.outbox import Outgoing
from chassis.problems import Invalid
from chassis.subscriptions import IngestedRecord, each, ingested, trace_of
from chassis.testing import TENANT, Bench, raw_record
from contracts.topics import INGEST_INTERACTIONS, INGEST_REJECTED, TENANTS

OURS = [
    *("traceparent", "tracestate", "reply_to", "millrace-redrive-for", "millrace-redrive-of"),
    *("millrace-source", "millrace-error", "millrace-buried-at", "millrace-event-id"),
    *("millrace-subscription", "\ufffd"),
]
NAMES = st.one_of(
    st.text(max_size=10),
    st.sampled_from(OURS),
)
TRACES = st.from_regex(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True)
CONTENT = st.one_of(
    st.none(),
    st.binary(max_size=40),
    st.text(st.characters(), max_size=20).map(lambda text: text.encode(errors="surrogatepass")),
    st.binary(max_size=20).map(lambda shown: Unread(shown, "It cannot be read: \ud800.")),
    st.sampled_from([b"[" * 5000, b'{"a":' * 5000, b'"\\ud800"', b"1" * 5000, b"\x00", b"{}"]),
)
HEADERS = st.lists(st.tuples(NAMES, st.one_of(st.none(), st.binary(max_size=20), TRACES)))
TIMES = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-62_135_596_800_001, -1, 0])
KEYS = st.none() | st.binary(max_size=20)
bounded = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a record up at its first failure."""
    monkeypatch.setattr(retrying, "_ATTEMPTS", 1)


class Kafka:
    """Takes what it could send."""

    def __init__(self) -> None:
        self.sent: list[ConsumerRecord] = []

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        for record in records:
            self.sent.append(self.written(record, len(self.sent)))

    def written(self, record: Outgoing, offset: int) -> ConsumerRecord:
        """Return a record as it is read again."""
        headers = headers_sent(record)
        for name, _value in headers:
            name.encode()
        read = raw_record(record.topic, record.value, offset, key=_bytes(record.key))
        return replace(read, headers=tuple(headers))


def record_with(topic: str, key: Any, value: Any, headers: Any, timestamp: int) -> ConsumerRecord:
    made = raw_record(topic, b"", 0)
    return replace(made, key=key, value=value, headers=tuple(headers), timestamp=timestamp)


async def refuse(record: IngestedRecord) -> None:
    """Refuse what a record says in words of its own; one that says nothing has a time at least."""
    if record.value.startswith(b"1"):
        raise RuntimeError(record.value.decode(errors="surrogateescape") + "\ud800")
    if record.value.startswith(b"["):
        raise Invalid(fields={record.value.decode(): [record.value.decode() + "\ud800"]})
    record.time_of(None)


@bounded
@given(key=KEYS, value=CONTENT, headers=HEADERS, timestamp=TIMES)
async def test_a_tenants_record_is_handled_or_refused_once(
    bench: Bench, key: Any, value: Any, headers: Any, timestamp: int
) -> None:
    handled: list[IngestedRecord] = []

    async def hear(records: list[IngestedRecord], tx: Transaction) -> None:
        for record in records:
            await refuse(record)
        handled.extend(records)

    outbox = bench.database.metadata.tables["outbox"]
    for table in ("outbox", "inbox"):
        async with bench.database.engine.begin() as connection:
            await connection.execute(delete(bench.database.metadata.tables[table]))
    dispatcher = Dispatcher(
        ingested(INGEST_INTERACTIONS, hear, name="raw"),
        database=bench.database,
        service="shop",
        bury=Burial("shop", bench.database, Kafka()),
    )
    record = record_with(INGEST_INTERACTIONS.of(TENANT), key, value, headers, timestamp)
    await dispatcher.handle([record])
    await dispatcher.handle([record])
    async with bench.database.engine.connect() as connection:
        rows = (await connection.execute(select(outbox))).all()
    if not handled:
        [row] = rows
        assert row.topic == INGEST_REJECTED.of(TENANT)
        told = json.loads(row.value)
        assert told["source"] == {"topic": record.topic, "partition": 0, "offset": 0}
        assert len(row.value) < 100_000
    else:
        assert rows == []


@bounded
@given(key=KEYS, value=CONTENT, headers=HEADERS, timestamp=TIMES)
async def test_a_record_of_ours_becomes_a_letter_that_can_be_read_and_redriven(
    bench: Bench, key: Any, value: Any, headers: Any, timestamp: int
) -> None:
    async def hear(event: Any, tx: Transaction) -> None:
        """Nothing here is an event."""

    kafka = Kafka()
    bury = Burial("shop", bench.database, kafka)
    subscription = each(TENANTS, hear, name="one")
    dispatcher = Dispatcher(subscription, database=bench.database, service="shop", bury=bury)
    record = record_with(TENANTS.name, key, value, headers, timestamp)
    await dispatcher.handle([record])
    if value is None:
        assert kafka.sent == []
        return
    [buried] = kafka.sent
    assert (buried.key, buried.value) == (key or b"", value)
    letter = _letter(buried, redriven=False)
    shown = _table([letter, _as_it_stands(record)])
    assert len(shown.encode().splitlines()) <= 5
    json.dumps(letter.to_dict()).encode()
    again = kafka.written(_copy(letter), 1)
    assert (again.key, again.value) == (key or b"", value)
    await dispatcher.handle([again])
    assert len(kafka.sent) == 2


def _as_it_stands(record: ConsumerRecord) -> DeadLetter:
    """Return a letter that nobody of ours has written."""
    return _letter(replace(record, topic=TENANTS.dead), redriven=False)


@given(headers=HEADERS)
def test_of_a_tenants_headers_only_a_trace_is_read(headers: Any) -> None:
    read = trace_of(record_with(INGEST_INTERACTIONS.of(TENANT), None, b"", headers, 0))
    assert read.keys() <= {"traceparent", "tracestate"}
    assert all(text.isascii() for text in read.values())
    assert not read or "traceparent" in read
