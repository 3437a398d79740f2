"""What a producer writes, whatever it is, is kept or refused by itself, and harms nobody else."""

from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from prometheus_client import REGISTRY

from chassis import dead_letters
from chassis.batches import MAX_BATCH_BYTES
from chassis.cluster import cluster_at
from contracts.topics import MAX_RECORD_BYTES, TENANTS
from servers.server import Server
from tests.integration.raw_records import CODECS, Raw, batch
from tests.integration.tenants import Place, Platform, Tenant, platform, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOPICS = ("interactions", "conversions")
HEADERS: dict[str, Sequence[tuple[bytes, bytes | None]]] = {
    "a value that is not UTF-8": [(b"x-agent", b"\xc3\x28\xff")],
    "no value": [(b"x-agent", None)],
    "a name that is not UTF-8": [(b"\xff\xfe", b"x")],
    "no name": [(b"", b""), (b"", None)],
    "one name twice": [(b"x", b"1"), (b"x", b"\xff")],
    "a trace that is none": [(b"traceparent", b"\xff\xfe"), (b"tracestate", b"\xff")],
    "a trace without a value": [(b"traceparent", None)],
    "two traces": [(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")] * 2,
    "a state that is none": [
        (b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),
        (b"tracestate", b"\xff\xff,=,;=" + b"x" * 10_000),
    ],
    "no trace's version": [(b"traceparent", b"ff-" + b"0" * 32 + b"-" + b"0" * 16 + b"-zz")],
    "a content type": [(b"content-type", b"text/\xff"), (b"correlation_id", b"\xff")],
    "names of ours": [
        (b"millrace-redrive-for", b"catalog.outcomes"),
        (b"millrace-event-id", b"\xff"),
        (b"millrace-source", b"{"),
    ],
    "thousands": [(b"h%d" % number, b"\xff") for number in range(20_000)],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    tmp_path_factory: pytest.TempPathFactory, producers_kafka: Server
) -> AsyncIterator[Platform]:
    """Run catalog and experiments for all tests of this module."""
    async with platform(tmp_path_factory.mktemp("platform"), producers_kafka.url) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def tenant(running: Platform) -> Tenant:
    return await running.tenant()


@pytest_asyncio.fixture(loop_scope="module")
async def other(running: Platform) -> Tenant:
    return await running.tenant()


async def ends(running: Platform, *tenants: Tenant) -> dict[TopicPartition, int]:
    """Return how much stands in all of the tenants' own topics."""
    partitions = [
        TopicPartition(topic, number)
        for each in tenants
        for topic in (each.interactions, each.conversions)
        for number in range(3)
    ]
    async with AIOKafkaConsumer(bootstrap_servers=running.kafka) as consumer:
        found: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    return found


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
async def test_a_record_is_judged_by_its_value_whatever_its_headers(
    running: Platform,
    tenant: Tenant,
    other: Tenant,
    topic: str,
    headers: Sequence[tuple[bytes, bytes | None]],
) -> None:
    name = getattr(tenant, topic)
    records = [
        Raw(tenant.sound(name)),
        Raw(tenant.sound(name), headers=headers),
        Raw(b"{", headers=headers),
        Raw(tenant.sound(name)),
    ]
    first = await running.writer.write(name, 0, batch(records))
    theirs = getattr(other, topic)
    await running.writer.write(theirs, 0, batch([Raw(other.sound(theirs))] * 5))
    kept, refused = await running.settled(tenant, 4)
    assert kept == dict.fromkeys((f"{name}:0:{first + at}" for at in (0, 1, 3)), 1)
    assert refused == {(name, 0, first + 2): 1}
    kept, refused = await running.settled(other, 5)
    assert (kept.total(), refused.total()) == (5, 0)
    await running.caught_up()


async def test_no_header_addresses_a_topic(
    running: Platform, tenant: Tenant, other: Tenant
) -> None:
    targets = [other.interactions, other.conversions, "interactions.v1", "there.is.none", ""]
    names = (b"reply_to", b"reply-to", b"replyTo", b"correlation_id", b"content-type", b"topic")
    before = await ends(running, other)
    headers = [[(name, each.encode()) for name in names] for each in targets]
    for topic in TOPICS:
        name = getattr(tenant, topic)
        records = [Raw(tenant.sound(name), headers=each) for each in headers]
        await running.writer.write(name, 1, batch([*records, Raw(b"{", headers=headers[0])]))
    kept, refused = await running.settled(tenant, 12)
    assert (kept.total(), refused.total()) == (10, 2)
    assert await ends(running, other) == before
    assert (await running.kept(other)).total() == 0


@pytest.mark.parametrize("topic", TOPICS)
async def test_every_codec_is_read(running: Platform, tenant: Tenant, topic: str) -> None:
    name, places = getattr(tenant, topic), list[Place]()
    for codec in (*CODECS, "snappy block"):
        records = [Raw(tenant.sound(name)) for _ in range(3)]
        first = await running.writer.write(name, 2, batch(records, compression=codec))
        places += [(name, 2, first + at) for at in range(3)]
    kept, refused = await running.settled(tenant, len(places))
    assert (set(kept), refused.total()) == ({":".join(map(str, each)) for each in places}, 0)


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
async def test_a_batch_that_unpacks_without_end_is_refused_as_one(
    running: Platform, tenant: Tenant, other: Tenant, topic: str, codec: str
) -> None:
    name, theirs = getattr(tenant, topic), getattr(other, topic)
    bomb = batch([Raw(bytes(2 * MAX_BATCH_BYTES))], compression=codec)
    assert len(bomb) <= MAX_RECORD_BYTES
    first = await running.writer.write(name, 0, bomb)
    await running.writer.write(name, 0, batch([Raw(tenant.sound(name))]))
    await running.writer.write(theirs, 0, batch([Raw(other.sound(theirs))]))
    kept, refused = await running.settled(tenant, 2)
    assert (set(kept), refused) == ({f"{name}:0:{first + 1}"}, {(name, 0, first): 1})
    [told] = await running.rejected(tenant)
    assert str(MAX_BATCH_BYTES) in told["message"]
    assert (await running.settled(other, 1))[0].total() == 1


@pytest.mark.parametrize("topic", TOPICS)
async def test_a_record_that_is_too_large_once_unpacked_is_refused(
    running: Platform, tenant: Tenant, topic: str
) -> None:
    name, sizes = getattr(tenant, topic), (MAX_RECORD_BYTES + 1, 5 * MAX_RECORD_BYTES)
    sound = tenant.sound(name)
    larger = [Raw(sound + b" " * (size - len(sound))) for size in sizes]
    largest = Raw(sound + b" " * (MAX_RECORD_BYTES - len(sound)))
    records = [*larger, largest, Raw(sound)]
    first = await running.writer.write(name, 0, batch(records, compression="zstd"))
    kept, refused = await running.settled(tenant, 4)
    assert set(kept) == {f"{name}:0:{first + 2}", f"{name}:0:{first + 3}"}
    assert refused == {(name, 0, first): 1, (name, 0, first + 1): 1}


@pytest.mark.parametrize("topic", TOPICS)
async def test_a_time_of_no_calendar_is_one_reject_unless_the_record_tells_its_own(
    running: Platform, tenant: Tenant, topic: str
) -> None:
    name = getattr(tenant, topic)
    own = tenant.sound(name, timestamp="2026-01-01T00:00:00Z")
    bare = tenant.sound(name)
    absurd = (-62_135_596_800_001, -62_135_596_800_000_000, -2, -1)
    refused_ones = [
        await running.writer.write(name, 0, batch([Raw(bare, timestamp=each)])) for each in absurd
    ]
    fine = [Raw(own, timestamp=absurd[0]), Raw(own, timestamp=-1), Raw(bare, timestamp=0)]
    kept_ones = [await running.writer.write(name, 1, batch([each])) for each in fine]
    kept, refused = await running.settled(tenant, len(absurd) + len(fine))
    assert set(kept) == {f"{name}:1:{each}" for each in kept_ones}
    assert refused == {(name, 0, each): 1 for each in refused_ones}
    assert {each["field"] for each in await running.rejected(tenant)} == {"timestamp"}


@pytest.mark.parametrize("topic", TOPICS)
async def test_what_a_transaction_took_back_was_never_sent(
    running: Platform, tenant: Tenant, topic: str
) -> None:
    name = getattr(tenant, topic)
    async with AIOKafkaProducer(
        bootstrap_servers=running.kafka, transactional_id=uuid4().hex
    ) as producer:
        for kind, partition in (("aborted", 0), ("kept", 0), ("aborted", 1), ("aborted", 0)):
            await producer.begin_transaction()
            for number in range(5):
                value = tenant.sound(name, eventId=f"{kind} {partition} {number} {uuid4()}")
                await producer.send_and_wait(name, value, partition=partition)
            await producer.send_and_wait(name, b"{", partition=partition)
            if kind == "kept":
                await producer.commit_transaction()
            else:
                await producer.abort_transaction()
    kept, refused = await running.settled(tenant, 6)
    await running.caught_up()
    assert {each.split()[0] for each in kept} == {"kept"}
    assert (kept.total(), refused.total()) == (5, 1)


async def test_a_transaction_that_stays_open_holds_up_its_own_partition_alone(
    running: Platform, tenant: Tenant, other: Tenant
) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=running.kafka, transactional_id=uuid4().hex
    ) as producer:
        await producer.begin_transaction()
        sent = tenant.view(eventId="in the transaction")
        await producer.send_and_wait(tenant.interactions, sent, partition=0)
        behind = batch([Raw(tenant.view(eventId="behind it"))])
        await running.writer.write(tenant.interactions, 0, behind)
        beside = batch([Raw(tenant.view(eventId="beside it"))])
        await running.writer.write(tenant.interactions, 1, beside)
        theirs = batch([Raw(other.view(eventId="of another"))])
        await running.writer.write(other.interactions, 0, theirs)
        assert (await running.settled(other, 1))[0] == {"of another": 1}
        assert (await running.settled(tenant, 1))[0] == {"beside it": 1}
        await running.caught_up()
        await producer.commit_transaction()
    kept, _ = await running.settled(tenant, 3)
    assert set(kept) == {"in the transaction", "behind it", "beside it"}


async def test_dead_letters_are_listed_to_their_end_whatever_was_taken_back(
    running: Platform,
) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=running.kafka, transactional_id=uuid4().hex
    ) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(TENANTS.dead, b"taken back")
        await producer.abort_transaction()
        await producer.begin_transaction()
        headers = [("x", b"\xff"), ("millrace-buried-at", b"\xff"), ("traceparent", None)]
        await producer.send_and_wait(TENANTS.dead, b"\xff", key=b"\xfe", headers=headers)
        await producer.commit_transaction()
        await producer.begin_transaction()
        await producer.send_and_wait(TENANTS.dead, b"taken back")
        await producer.abort_transaction()
    found = await dead_letters.letters(cluster_at(running.kafka), [TENANTS.dead])
    assert [each.record.value for each in found] == [b"\xff"]


def waiting_partitions() -> float:
    found = REGISTRY.get_sample_value(
        "millrace_unreadable_partitions", {"subscription": "catalog.interactions"}
    )
    return found or 0.0


async def test_what_a_brokers_disk_has_damaged_waits_and_nothing_else_does(
    running: Platform,
    tenant: Tenant,
    other: Tenant,
    producers_kafka: Server,
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = tenant.interactions
    whole, damaged = Raw(tenant.view(eventId="before")), Raw(tenant.view(eventId="damaged"))
    await running.writer.write(name, 0, batch([whole]))
    assert (await running.settled(tenant, 1))[0] == {"before": 1}
    async with AIOKafkaProducer(
        bootstrap_servers=running.kafka, transactional_id=uuid4().hex
    ) as producer:
        # Nothing of the partition is read from here on, until the disk has done its work.
        await producer.begin_transaction()
        await producer.send_and_wait(name, tenant.view(eventId="first"), partition=0)
        at = await running.writer.write(name, 0, batch([damaged]))
        damage(producers_kafka, name, b'"eventId": "damaged"')
        await producer.commit_transaction()
    await until(lambda: waiting_partitions() == 1)
    assert f"partition {name}:0 cannot be read from offset {at} on" in caplog.text
    await running.writer.write(name, 1, batch([Raw(tenant.view(eventId="beside"))]))
    await running.writer.write(name, 0, batch([Raw(tenant.view(eventId="behind"))]))
    await running.writer.write(other.interactions, 0, batch([Raw(other.view(eventId="other"))]))
    assert set((await running.settled(tenant, 3))[0]) == {"before", "first", "beside"}
    assert (await running.settled(other, 1))[0].total() == 1

    admin = AIOKafkaAdminClient(bootstrap_servers=running.kafka)
    await admin.start()
    await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(at + 1)})
    await admin.close()
    assert set((await running.settled(tenant, 4))[0]) == {"before", "first", "beside", "behind"}
    await until(lambda: waiting_partitions() == 0)


def damage(server: Server, topic: str, content: bytes) -> None:
    """Change a byte of what stands on the broker's disk."""
    [segment] = (server.folder / "data" / f"{topic}-0").glob("*.log")
    with segment.open("r+b") as file:
        found = file.read().index(content)
        file.seek(found)
        file.write(b"'")
