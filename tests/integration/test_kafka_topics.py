"""Topics are what the contract table says, and the command tells where they are not."""

import os
import subprocess
import sys
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from chassis import topics
from contracts.topics import INGEST_INTERACTIONS, INTERACTIONS, TOPICS
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
