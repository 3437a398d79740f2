"""Topics are what the contract table says, and the command tells where they are not."""

import asyncio
import os
import subprocess
import sys
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from chassis import topics
from chassis.kafka import OutboxProducer
from chassis.outbox import Outgoing
from chassis.sending import bury, send
from contracts.topics import INGEST_INTERACTIONS, INGEST_TOPICS, INTERACTIONS, SERVINGS, TOPICS
from servers.kafka import kafka as run_kafka


def command(kafka: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m chassis.topics`."""
    return subprocess.run(
        [sys.executable, "-m", "chassis.topics", *arguments],
        env={**os.environ, "MILLRACE_KAFKA_URL": kafka},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_the_command_makes_what_is_absent_and_checks_what_is_there() -> None:
    with run_kafka() as server:
        kafka = server.url
        nothing = command(kafka, "--check")
        assert nothing.returncode == 1
        assert nothing.stdout.count(": absent") == 2 * len(TOPICS)

        assert command(kafka, "--replication", "1").stdout == f"{2 * len(TOPICS)} topics created\n"
        checked = command(kafka, "--check")
        assert (checked.returncode, checked.stdout) == (0, "")
        assert command(kafka).stdout == "0 topics created\n"

        three = command(kafka, "--check", "--replication", "3")
        assert three.returncode == 1
        name = INTERACTIONS.name
        assert f"{name}: replication is 1, the table says 3\n" in three.stdout
        assert f"{name}: min.insync.replicas is 1, the table says 2\n" in three.stdout


async def test_a_tenants_topic_that_somebody_made_otherwise_is_told(kafka: str) -> None:
    tenant_id = str(uuid4())
    name = INGEST_INTERACTIONS.of(tenant_id)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    otherwise = {"retention.ms": "1000", "cleanup.policy": "compact"}
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs=otherwise)])
    await admin.close()
    await topics.ensure_tenant(kafka, tenant_id)
    found = await topics.differences(kafka, replication=1)
    assert [line for line in found if line.startswith(name)] == [
        f"{name}: partitions is 1, the table says 3",
        f"{name}: cleanup.policy is compact, the table says delete",
        f"{name}: retention.ms is 1000, the table says {INGEST_INTERACTIONS.retention_ms}",
        f"{name}: max.message.bytes is 1048588, the table says 1048576",
    ]


async def test_the_topics_of_a_deleted_tenant_go_and_no_others(kafka: str) -> None:
    tenant_id, other = str(uuid4()), str(uuid4())
    for each in (tenant_id, other):
        await topics.ensure_tenant(kafka, each)
    assert await topics.remove_tenant(kafka, tenant_id) == len(INGEST_TOPICS)
    assert await topics.remove_tenant(kafka, tenant_id) == 0
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        present = set(await admin.list_topics())
    finally:
        await admin.close()
    assert not {topic.of(tenant_id) for topic in INGEST_TOPICS} & present
    assert {topic.of(other) for topic in INGEST_TOPICS} <= present


async def test_topics_of_an_older_release_get_the_settings_that_they_lack(kafka: str) -> None:
    name = f"old-{uuid4()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    own = {"cleanup.policy": "compact", "segment.ms": "7200000", "retention.bytes": "12345678"}
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs=own)])
    await admin.close()
    [wanted] = [
        NewTopic(name, 1, 1, topic_configs=each.topic_configs)
        for each in topics.platform_topics(1)
        if each.name == "allowances.v1"
    ]

    assert await topics.bring_up_to_date(kafka, [wanted]) == [name]
    assert await topics.bring_up_to_date(kafka, [wanted]) == []

    async with topics._admin(kafka) as asked:
        real = (await topics._described(asked, [name]))[name]
    assert real["max.compaction.lag.ms"] == "86400000"
    # What somebody has set stays.
    assert (real["segment.ms"], real["retention.bytes"]) == ("7200000", "12345678")


async def values(kafka: str, topic: str, *, count: int) -> list[bytes | None]:
    """Return the first records of a topic."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            return [(await consumer.getone()).value for _each in range(count)]
    finally:
        await consumer.stop()


@pytest.mark.parametrize("large", [200_000, 5 * 1024 * 1024])
async def test_the_broker_and_the_client_refuse_one_record_alone(kafka: str, large: int) -> None:
    """The client refuses what no request holds, the broker what its topic does not."""
    name = f"narrow-{uuid4()}"
    narrow = {"max.message.bytes": "100000"}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs=narrow)])
    await admin.close()
    records = [
        Outgoing(name, "key", value, value[:8].decode())
        for value in (b"1", b"2", b"x" * large, b"3", b"4")
    ]
    producer = OutboxProducer(kafka)
    try:
        outcome = await send(producer, records)
        assert [record.value for record in outcome.taken] == [b"1", b"2", b"3", b"4"]
        assert [record for record, _reason in outcome.refused] == [records[2]]
        assert outcome.waiting == {}
        await producer.send_all([Outgoing(name, "key", b"", "gone", is_tombstone=True)])
    finally:
        await producer.stop()
    found: list[bytes | None] = []
    while found[-1:] != [None]:
        found = await values(kafka, name, count=len(found) + 1)
    assert {b"1", b"2", b"3", b"4"} == {value for value in found if value is not None}


async def test_what_is_refused_for_ever_is_a_dead_letter(kafka: str) -> None:
    await topics.ensure(kafka, topics.platform_topics(1))
    record = Outgoing(SERVINGS.name, "tenant:user", b"x" * 5 * 1024 * 1024, f"large-{uuid4()}")
    producer = OutboxProducer(kafka)
    try:
        outcome = await send(producer, [record])
        [(refused, reason)] = outcome.refused
        await bury(producer, refused, reason)
    finally:
        await producer.stop()
    found: list[bytes | None] = []
    while not any(record.event_id.encode() in (value or b"") for value in found):
        found = await values(kafka, SERVINGS.dead, count=len(found) + 1)
    assert len(found[-1] or b"") < 100_000
