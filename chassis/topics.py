"""Topics made from the contract table: `python -m chassis.topics` makes the platform's.

What is there already gets the settings that it lacks, and keeps those that somebody has set; where
it is not what the table says, the command says so.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_result,
    stop_after_delay,
    wait_fixed,
)

from chassis import telemetry
from chassis.clock import now
from chassis.cluster import Cluster, cluster_at
from chassis.kafka import OutboxProducer
from chassis.outbox import NotTaken, outgoing
from chassis.settings import Settings
from chassis.sizes import MAX_DEAD_BYTES, MAX_REQUEST_BYTES
from contracts.tenants import IngestOpened
from contracts.topics import INGEST_TOPICS, MAX_RECORD_BYTES, TOPICS, tenant_of

_DEAD_RETENTION_MS = 30 * 24 * 3600 * 1000
#: The segment that is written is never compacted: within an hour it is another one. Who starts
#: reads little more than the newest record of each key, and what is superseded goes within a day.
_COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": str(3600 * 1000),
    "max.compaction.lag.ms": str(24 * 3600 * 1000),
}
#: Where Kafka says that a setting of a topic is the topic's own.
_OF_THE_TOPIC = 1
_DESCRIBED_AT_ONCE = 200
_ABSENT = "absent"
_HEARD_WITHIN_SECONDS = 10
_HEARD_EVERY_SECONDS = 0.1
_TOLD_WITHIN_SECONDS = 5


def platform_topics(replication: int) -> list[NewTopic]:
    """Return every platform topic and its dead letters."""
    topics = []
    for topic in TOPICS:
        kept = _COMPACTED if topic.compacted else _kept_for(topic.retention_ms)
        size = {"max.message.bytes": str(MAX_REQUEST_BYTES)}
        topics.append(_topic(topic.name, topic.partitions, replication, kept | size))
        dead = _kept_for(_DEAD_RETENTION_MS) | {"max.message.bytes": str(MAX_DEAD_BYTES)}
        topics.append(_topic(topic.dead, 1, replication, dead))
    return topics


def tenant_topics(tenant_id: str, replication: int) -> list[NewTopic]:
    """Return the topics that one tenant's producers write and read."""
    return [
        _topic(
            topic.of(tenant_id),
            topic.partitions,
            replication,
            _kept_for(topic.retention_ms) | {"max.message.bytes": str(MAX_RECORD_BYTES)},
        )
        for topic in INGEST_TOPICS
    ]


async def ensure(kafka: Cluster | str, topics: Sequence[NewTopic]) -> list[str]:
    """Create the topics that are absent; return their names.

    Who reads the topics of all tenants is told of a tenant's new ones.
    """
    made = await _create_absent(kafka, topics)
    opened = sorted({tenant_of(name) for name in made if _is_ingest(name)})
    if opened:
        await _tell(kafka, opened)
    return made


async def _create_absent(kafka: Cluster | str, topics: Sequence[NewTopic]) -> list[str]:
    async with _admin(kafka) as admin:
        present = set(await admin.list_topics())
        absent = [topic for topic in topics if topic.name not in present]
        if absent:
            answer = await admin.create_topics(absent)
            for name, code, *_rest in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(name)
        return [topic.name for topic in absent]


async def _tell(kafka: Cluster | str, tenants: Sequence[str]) -> None:
    """Tell of tenants' new topics; without that, they are noticed a little later."""
    producer = OutboxProducer(kafka)
    at = now()
    opened = [IngestOpened(tenant_id=tenant, occurred_at=at) for tenant in tenants]
    try:
        async with asyncio.timeout(_TOLD_WITHIN_SECONDS):
            await producer.send_all([outgoing(each, at=at) for each in opened])
    except (KafkaError, NotTaken, TimeoutError) as error:
        telemetry.log.warning("nobody was told of new topics", exc_info=error)
    finally:
        await producer.stop()


async def bring_up_to_date(kafka: Cluster | str, topics: Sequence[NewTopic]) -> list[str]:
    """Give topics that are there the settings of the table that they lack; return their names.

    An earlier release may have made them. What somebody has set otherwise stays as it is.
    """
    async with _admin(kafka) as admin:
        present = set(await admin.list_topics())
        wanted = {each.name: each.topic_configs for each in topics if each.name in present}
        lacking: dict[str, dict[str, str]] = {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in wanted]
        for answer in await admin.describe_configs(resources) if resources else ():
            for code, message, _kind, name, entries in answer.resources:
                if code:
                    raise for_code(code)(f"{name}: {message}")
                own = {entry[0]: entry[1] for entry in entries if entry[3] == _OF_THE_TOPIC}
                if wanted[name].keys() - own.keys():
                    # All of them: what is not named would fall back to the broker's default.
                    lacking[name] = {**wanted[name], **own}
        await _alter(admin, lacking)
        return sorted(lacking)


async def _alter(admin: AIOKafkaAdminClient, settings: Mapping[str, dict[str, str]]) -> None:
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, configs=configs)
        for name, configs in settings.items()
    ]
    for answer in await admin.alter_configs(resources) if resources else ():
        for code, message, _kind, name in answer.resources:
            if code:
                raise for_code(code)(f"{name}: {message}")


async def ensure_tenant(kafka: Cluster | str, tenant_id: str, *, replication: int = 1) -> None:
    """Create one tenant's ingest topics where they are absent."""
    await ensure(kafka, tenant_topics(tenant_id, replication))


async def remove_tenant(kafka: Cluster | str, tenant_id: str) -> int:
    """Remove one tenant's ingest topics with all that is in them; return how many there were."""
    async with _admin(kafka) as admin:
        present = set(await admin.list_topics())
        names = [topic.of(tenant_id) for topic in INGEST_TOPICS]
        doomed = [name for name in names if name in present]
        answer = await admin.delete_topics(doomed) if doomed else None
        for name, code in answer.topic_error_codes if answer else ():
            error = for_code(code)
            if code and error is not UnknownTopicOrPartitionError:
                raise error(name)
        return len(doomed)


async def differences(kafka: Cluster | str, *, replication: int) -> list[str]:
    """Return, a line each, where the cluster is not what the table says.

    The topics of tenants are looked at where they are there: catalog makes them with the tenant.
    """
    async with _admin(kafka) as admin:
        present = set(await admin.list_topics())
        wanted = platform_topics(replication)
        for tenant_id in sorted({tenant_of(name) for name in present if _is_ingest(name)}):
            wanted += tenant_topics(tenant_id, replication)
        found = []
        for start in range(0, len(wanted), _DESCRIBED_AT_ONCE):
            some = wanted[start : start + _DESCRIBED_AT_ONCE]
            real = await _described(admin, [each.name for each in some if each.name in present])
            found += [line for each in some for line in _compared(each, real.get(each.name))]
        return found


async def settled(kafka: Cluster | str, *, replication: int) -> list[str]:
    """Return what still differs when every broker has had time to hear of what was just made.

    The controller answers once it knows a topic; the broker asked next may hear of it a moment
    later and call it absent.
    """
    asking = AsyncRetrying(
        wait=wait_fixed(_HEARD_EVERY_SECONDS),
        stop=stop_after_delay(_HEARD_WITHIN_SECONDS),
        retry=retry_if_result(_any_absent),
        retry_error_callback=_last,
    )
    return await asking(differences, kafka, replication=replication)


def _last(state: RetryCallState) -> list[str]:
    assert state.outcome is not None  # noqa: S101 - it was asked at least once
    found: list[str] = state.outcome.result()
    return found


def _any_absent(found: Sequence[str]) -> bool:
    return any(line.endswith(_ABSENT) for line in found)


def _kept_for(milliseconds: int) -> dict[str, str]:
    # Said, though it is the default: a topic that is compacted by mistake keeps a tenant's records.
    return {"cleanup.policy": "delete", "retention.ms": str(milliseconds)}


def _topic(name: str, partitions: int, replication: int, config: dict[str, str]) -> NewTopic:
    # One copy may be away: a write that is acknowledged stands in all the others.
    in_sync = {"min.insync.replicas": str(max(1, replication - 1))}
    return NewTopic(name, partitions, replication, topic_configs=config | in_sync)


@asynccontextmanager
async def _admin(kafka: Cluster | str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**cluster_at(kafka).client())
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def _described(
    admin: AIOKafkaAdminClient, names: Sequence[str]
) -> Mapping[str, Mapping[str, str]]:
    """Return each topic's partitions, copies and configuration, in words."""
    if not names:
        return {}
    found: dict[str, dict[str, str]] = {}
    for topic in await admin.describe_topics(list(names)):
        partitions: Sequence[Mapping[str, Any]] = topic["partitions"]
        if not partitions:
            continue  # a broker may know a topic's name before it knows the topic
        copies = {len(partition["replicas"]) for partition in partitions}
        found[topic["topic"]] = {
            "partitions": str(len(partitions)),
            "replication": "/".join(str(count) for count in sorted(copies)),
        }
    if not found:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in found]
    for answer in await admin.describe_configs(resources):
        for code, message, _kind, name, entries in answer.resources:
            if code:
                raise for_code(code)(f"{name}: {message}")
            found[name] |= {entry[0]: entry[1] for entry in entries}
    return found


def _compared(wanted: NewTopic, real: Mapping[str, str] | None) -> list[str]:
    if real is None:
        return [f"{wanted.name}: {_ABSENT}"]
    should = {
        "partitions": str(wanted.num_partitions),
        "replication": str(wanted.replication_factor),
        **wanted.topic_configs,
    }
    return [
        f"{wanted.name}: {name} is {real.get(name)}, the table says {value}"
        for name, value in should.items()
        if real.get(name) != value
    ]


def _is_ingest(name: str) -> bool:
    return any(re.match(topic.pattern, name) for topic in INGEST_TOPICS)


def main() -> None:
    """Create the platform's topics, or only tell what is not as it should be."""
    settings = Settings()
    parser = argparse.ArgumentParser(prog="python -m chassis.topics", description=main.__doc__)
    parser.add_argument(
        "--replication",
        type=int,
        default=settings.topic_replication,
        help="copies of each record (MILLRACE_TOPIC_REPLICATION)",
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail where anything differs"
    )
    given = parser.parse_args()
    asked = differences
    if not given.check:
        wanted = platform_topics(given.replication)
        made = asyncio.run(ensure(settings.kafka, wanted))
        sys.stdout.write(f"{len(made)} topics created\n")
        old = [each for each in wanted if each.name not in made]
        for name in asyncio.run(bring_up_to_date(settings.kafka, old)):
            sys.stdout.write(f"{name}: settings that it lacked are set\n")
        asked = settled
    found = asyncio.run(asked(settings.kafka, replication=given.replication))
    sys.stdout.writelines(f"{line}\n" for line in found)
    if given.check and found:
        sys.exit(f"{len(found)} differences")


if __name__ == "__main__":
    main()
