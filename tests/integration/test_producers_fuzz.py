"""Records of any shape between good ones: each is kept once, refused once, or was taken back."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

import jsonschema
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chassis.wire import MAX_JSON_CHARACTERS
from contracts.conversions import IngestedConversion
from contracts.interactions import IngestedInteraction
from servers.server import Server
from tests.integration.raw_records import CODECS, Raw, batch
from tests.integration.tenants import Place, Platform, Tenant, platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: What becomes of a record by the rules of docs/events.md; None where it may be either.
KEPT, REFUSED, EITHER = True, False, None
_LARGE = 900_000


class Shape(NamedTuple):
    """What a record says: members over those of a sound one, or bytes in their place."""

    value: Any
    ends: bool | None

    def __repr__(self) -> str:
        """Say it shortly: some are a megabyte."""
        shown = self.value if isinstance(self.value, bytes) else str(self.value)
        return f"Shape({shown[:80] if shown else shown!r}, {self.ends})"


def members(ends: bool | None, *given: dict[str, Any]) -> list[Shape]:
    return [Shape(each, ends) for each in given]


def metadata(size: int) -> dict[str, Any]:
    """Return members of both kinds of records that weigh so much."""
    content = {"m": "x" * (size - 1)}
    return {"metadata": content, "metadata_json": content}


SHAPES = [
    *members(
        KEPT,
        {},
        {"unknown": {"a": [1, None]}},
        {"timestamp": "1970-01-01T00:00:00Z"},
        {"timestamp": "2999-12-31T23:59:59.999+14:00"},
        {"timestamp": 1_768_472_000_000},
        metadata(MAX_JSON_CHARACTERS - 1),
        metadata(MAX_JSON_CHARACTERS),
        {"unknown": "x" * _LARGE},
        {"unknown": 10**30},
    ),
    *members(
        REFUSED,
        metadata(MAX_JSON_CHARACTERS + 1),
        {"timestamp": "3000-01-01T00:00:00Z"},
        {"timestamp": "0001-01-01T00:00:00+14:00"},
        {"timestamp": -1},
        {"timestamp": 10**30},
        {"eventId": "\x00"},
        {"eventId": ""},
        {"eventId": 7},
        dict.fromkeys(("interactionType", "event_type"), "x" * (_LARGE // 2)),
        {"interactionType": "\udfff", "event_type": "\udfff"},
        {"userId": None, "user_id": None},
        {"userId": "\x1f", "user_id": "\x1f"},
        {"userId": [[]], "user_id": {}},
        {"metadata": {"a": "\x00"}, "metadata_json": "\x00"},
    ),
    *(
        Shape(each, REFUSED)
        for each in (
            None,
            b"",
            b"\x00",
            b"\xff\xfe",
            b"{",
            b"[]",
            b"null",
            b"42",
            b'"text"',
            b"NaN",
            b"[" * 5_000,
            b'{"a":' * 100_000,
            b"9" * 5_000,
            b'{"userId": "\\ud800"}',
            b"x" * _LARGE,
        )
    ),
]
TEXTS = st.sampled_from([b"x-agent", b"reply_to", b"traceparent", b"", b"\xff", b"tracestate"])
HEADERS = st.lists(st.tuples(TEXTS, st.none() | st.binary(max_size=20)), max_size=4)


@dataclass(frozen=True)
class Written:
    """A batch that one tenant's producer writes."""

    shapes: list[tuple[Shape, Any, bytes | None]]
    topic: str
    partition: int
    codec: str
    #: `no`, or how the transaction ended.
    transaction: str


RECORDS = st.tuples(
    st.one_of(
        st.sampled_from(SHAPES),
        st.binary(max_size=200).map(lambda value: Shape(value, REFUSED)),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        ).map(lambda value: Shape({"metadata": value, "metadata_json": value}, EITHER)),
    ),
    HEADERS,
    st.none() | st.binary(max_size=10),
)
BATCHES = st.builds(
    Written,
    shapes=st.lists(RECORDS, min_size=1, max_size=5),
    topic=st.sampled_from(["interactions", "conversions"]),
    partition=st.integers(0, 2),
    codec=st.sampled_from([*CODECS, "snappy block"]),
    transaction=st.sampled_from(["no", "no", "no", "committed", "aborted"]),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    tmp_path_factory: pytest.TempPathFactory, producers_kafka: Server
) -> AsyncIterator[Platform]:
    """Run catalog and experiments for all rounds."""
    async with platform(tmp_path_factory.mktemp("fuzz"), producers_kafka.url) as found:
        yield found


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(rounds=st.lists(BATCHES, min_size=1, max_size=8))
async def test_every_record_ends_in_one_place(running: Platform, rounds: list[Written]) -> None:
    tenants = [await running.tenant(), await running.tenant()]
    expected: dict[str, dict[Place, bool | None]] = {each.uid: {} for each in tenants}
    for number, written in enumerate(rounds):
        tenant = tenants[number % 2]
        expected[tenant.uid] |= await write(running, tenant, written)
        for each in tenants:
            name = getattr(each, written.topic)
            at = await running.writer.write(name, written.partition, batch([Raw(each.sound(name))]))
            expected[each.uid][(name, written.partition, at)] = KEPT
    for tenant in tenants:
        await check(running, tenant, expected[tenant.uid])
    await running.caught_up()


async def test_the_schemas_that_tenants_are_told_take_what_is_kept() -> None:
    tenant = Tenant("00000000-0000-0000-0000-000000000000", slot=1, project=1)
    for name, kind in (
        (tenant.interactions, IngestedInteraction),
        (tenant.conversions, IngestedConversion),
    ):
        schema = kind.model_json_schema(by_alias=True)
        for shape in SHAPES:
            if shape.ends is KEPT:
                jsonschema.validate(json.loads(value_of(tenant, name, shape) or b""), schema)


async def check(running: Platform, tenant: Tenant, expected: dict[Place, bool | None]) -> None:
    """See that each place is kept or refused once, as it has to be, and nothing else is."""
    ids, refused = await running.settled(tenant, len(expected))
    kept = Counter({place_in(each): count for each, count in ids.items()})
    assert kept + refused == dict.fromkeys(expected, 1)
    for place, ends in expected.items():
        assert ends is EITHER or (place in kept) is ends, place


def place_in(event_id: str) -> Place:
    topic, partition, offset = event_id.rsplit(":", 2)
    return topic, int(partition), int(offset)


async def write(running: Platform, tenant: Tenant, written: Written) -> dict[Place, bool | None]:
    """Write a batch; return what has to become of the record at each place."""
    name = getattr(tenant, written.topic)
    values = [value_of(tenant, name, shape) for shape, _headers, _key in written.shapes]
    ends = [shape.ends for shape, _headers, _key in written.shapes]
    if written.transaction != "no":
        return await in_transaction(running, name, written, dict(enumerate(values)))
    records = [
        Raw(value, key, headers)
        for value, (_shape, headers, key) in zip(values, written.shapes, strict=True)
    ]
    places: dict[Place, bool | None] = {}
    for part, end in pieces(records, ends):
        raw = batch(part, compression=written.codec)
        first = await running.writer.write(name, written.partition, raw)
        places |= {(name, written.partition, first + at): each for at, each in enumerate(end)}
    return places


def pieces(
    records: list[Raw], ends: list[bool | None]
) -> list[tuple[list[Raw], list[bool | None]]]:
    """Return batches that the broker takes: large records go alone."""
    if sum(len(each.value or b"") for each in records) < _LARGE:
        return [(records, ends)]
    return [([record], [end]) for record, end in zip(records, ends, strict=True)]


async def in_transaction(
    running: Platform, name: str, written: Written, values: dict[int, bytes | None]
) -> dict[Place, bool | None]:
    """Write in a transaction that ends as it is said to, by a client that compresses nothing."""
    places: dict[Place, bool | None] = {}
    producer = AIOKafkaProducer(
        bootstrap_servers=running.kafka,
        transactional_id=uuid4().hex,
        max_request_size=2 * _LARGE,
    )
    async with producer:
        await producer.begin_transaction()
        for at, (shape, _headers, key) in enumerate(written.shapes):
            if values[at] is None and key is None:
                key = b""  # this client sends nothing without either
            sent = await producer.send_and_wait(
                name, values[at], key=key, partition=written.partition, headers=[("x", b"\xff")]
            )
            places[(name, written.partition, sent.offset)] = shape.ends
        if written.transaction == "committed":
            await producer.commit_transaction()
            return places
        await producer.abort_transaction()
    return {}


def value_of(tenant: Tenant, name: str, shape: Shape) -> bytes | None:
    if not isinstance(shape.value, dict):
        found: bytes | None = shape.value
        return found
    sound: dict[str, Any] = json.loads(tenant.sound(name))
    return json.dumps(sound | shape.value).encode()
