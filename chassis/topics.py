"""Topics made from the contract table: `python -m chassis.topics` makes the platform's."""

import asyncio
import sys

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from chassis.kafka import MAX_REQUEST_BYTES
from chassis.settings import Settings
from contracts.topics import INGEST_TOPICS, MAX_RECORD_BYTES, TOPICS

_DEAD_RETENTION_MS = 30 * 24 * 3600 * 1000


def platform_topics(replication: int) -> list[NewTopic]:
    """Return every platform topic and its dead letters."""
    topics = []
    for topic in TOPICS:
        kept = (
            {"cleanup.policy": "compact"}
            if topic.compacted
            else {"retention.ms": str(topic.retention_ms)}
        )
        size = {"max.message.bytes": str(MAX_REQUEST_BYTES)}
        topics.append(
            NewTopic(topic.name, topic.partitions, replication, topic_configs=kept | size)
        )
        dead = {"retention.ms": str(_DEAD_RETENTION_MS)} | size
        topics.append(NewTopic(topic.dead, 1, replication, topic_configs=dead))
    return topics


def tenant_topics(tenant_id: str, replication: int) -> list[NewTopic]:
    """Return the topics that one tenant's producers write and read."""
    return [
        NewTopic(
            topic.of(tenant_id),
            topic.partitions,
            replication,
            topic_configs={
                "retention.ms": str(topic.retention_ms),
                "max.message.bytes": str(MAX_RECORD_BYTES),
            },
        )
        for topic in INGEST_TOPICS
    ]


async def ensure(bootstrap: str, topics: list[NewTopic]) -> list[str]:
    """Create the topics that are absent; return their names."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        present = set(await admin.list_topics())
        absent = [topic for topic in topics if topic.name not in present]
        if absent:
            answer = await admin.create_topics(absent)
            for name, code, *_rest in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(name)
        return [topic.name for topic in absent]
    finally:
        await admin.close()


async def ensure_tenant(bootstrap: str, tenant_id: str, *, replication: int = 1) -> None:
    """Create one tenant's ingest topics where they are absent."""
    await ensure(bootstrap, tenant_topics(tenant_id, replication))


def main() -> None:
    """Create the platform's topics at MILLRACE_KAFKA_URL."""
    replication = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    made = asyncio.run(ensure(Settings().kafka_url, platform_topics(replication)))
    sys.stdout.write(f"{len(made)} topics created\n")


if __name__ == "__main__":
    main()
