"""Every Kafka client of a service proves who it is, and a tenant's producers reach their own."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.errors import KafkaError
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its __init__ lists none
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)
from pydantic import SecretStr

from chassis import outbox, topics
from chassis.app import create_app
from chassis.cluster import Cluster
from chassis.database import Transaction
from chassis.kafka import OutboxProducer
from chassis.settings import Settings
from chassis.subscriptions import each
from chassis.testing import VERIFIER
from chassis.tests import shop
from contracts.tenants import TenantRegistered
from contracts.topics import (
    INGEST_CONVERSIONS,
    INGEST_INTERACTIONS,
    INGEST_REJECTED,
    INGEST_TOPICS,
    TENANTS,
)
from tests.integration.guarded_kafka import PASSWORD, GuardedKafka, guarded_kafka

SCRIPTS = Path(__file__).parents[2] / "deploy" / "kafka"


@pytest.fixture(scope="module")
def guarded() -> Iterator[GuardedKafka]:
    """Run a node that lets nobody in without a name."""
    with guarded_kafka() as kafka:
        yield kafka


def scram(kafka: GuardedKafka, *, user: str = "operator", mechanism: str = "512") -> Any:
    """Return settings of somebody who signs in over TLS."""
    return {
        "kafka_url": kafka.addresses["SASL_SSL"],
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": f"SCRAM-SHA-{mechanism}",
        "kafka_username": user,
        "kafka_password": SecretStr(PASSWORD),
        "kafka_cafile": kafka.authority,
    }


def plain(kafka: GuardedKafka) -> Any:
    """Return settings of somebody who signs in on a network that is trusted."""
    return {
        "kafka_url": kafka.addresses["SASL_PLAINTEXT"],
        "kafka_security_protocol": "SASL_PLAINTEXT",
        "kafka_sasl_mechanism": "PLAIN",
        "kafka_username": "plain",
        "kafka_password": SecretStr(PASSWORD),
    }


def certified(kafka: GuardedKafka) -> Any:
    """Return settings of somebody who shows a certificate."""
    certificate, key = kafka.certificate
    return {
        "kafka_url": kafka.addresses["SSL"],
        "kafka_security_protocol": "SSL",
        "kafka_cafile": kafka.authority,
        "kafka_certfile": certificate,
        "kafka_keyfile": key,
    }


WAYS: list[Callable[[GuardedKafka], Any]] = [
    scram,
    lambda kafka: scram(kafka, mechanism="256"),
    plain,
    certified,
]


@pytest.mark.parametrize("way", WAYS, ids=["scram-512", "scram-256", "plain", "certificate"])
async def test_a_services_clients_all_prove_who_they_are(
    way: Callable[[GuardedKafka], Any], guarded: GuardedKafka, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, replica="1", **way(guarded))
    assert PASSWORD not in repr(settings)
    assert PASSWORD not in repr(settings.kafka)
    await topics.ensure(settings.kafka, topics.platform_topics(1))
    await hears_itself(settings, tmp_path)


async def hears_itself(settings: Settings, folder: Path) -> None:
    """Let a service announce something in one transaction and hear of it in its group."""
    heard, name = asyncio.Event(), uuid4().hex

    async def hear(event: TenantRegistered, tx: Transaction) -> None:
        if event.name == name:
            heard.set()

    service = replace(
        shop.build(folder),
        name=f"shop{name[:6]}",
        settings=settings,
        verifier=VERIFIER,
        subscriptions=[each(TENANTS, hear, name="one", only=(TenantRegistered,))],
    )
    await service.database.create_all()
    app = create_app(service)
    async with app.router.lifespan_context(app), asyncio.timeout(60):
        async with service.database.transaction(tenant_id=name) as tx:
            at = datetime.now(UTC)
            tx.emit(TenantRegistered(tenant_id=name, occurred_at=at, name=name, owner_id=1))
        await heard.wait()
    assert heard.is_set()


@pytest.mark.parametrize("wrong", ["password", "authority", "certificate", "nothing"])
async def test_who_cannot_prove_it_is_refused(wrong: str, guarded: GuardedKafka) -> None:
    known: Cluster = Settings(**scram(guarded)).kafka
    clusters = {
        "password": replace(known, password="wrong"),
        "authority": replace(known, cafile=None),
        "certificate": replace(Settings(**certified(guarded)).kafka, certfile=None),
        "nothing": Cluster(guarded.addresses["SASL_SSL"]),
    }
    with pytest.raises(KafkaError):
        async with asyncio.timeout(60):
            await topics.ensure(clusters[wrong], topics.platform_topics(1))


class Tenant:
    """A tenant's back end, with a client that shares no code with ours."""

    def __init__(self, kafka: GuardedKafka) -> None:
        self.uid = str(uuid4())
        self.name = f"tenant-{self.uid}"
        self.password = uuid4().hex
        self._client = {
            "bootstrap.servers": kafka.addresses["SASL_SSL"],
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.name,
            "sasl.password": self.password,
            "ssl.ca.location": str(kafka.authority),
        }

    def produce(self, topic: str) -> str | None:
        """Write a record; return the name of the error, if any."""
        told: list[str | None] = []
        producer = Producer({**self._client, "message.timeout.ms": 20_000})
        producer.produce(
            topic, b"{}", on_delivery=lambda error, _: told.append(error.name() if error else None)
        )
        producer.flush(30)
        return told[0]

    def transact(self, topic: str, *, name: str) -> str | None:
        """Write a record in a transaction of some name; return the name of the error, if any."""
        settings = {"transactional.id": name, "message.timeout.ms": 20_000}
        producer = Producer({**self._client, **settings})
        try:
            producer.init_transactions(30)
            producer.begin_transaction()
            producer.produce(topic, b"{}")
            producer.commit_transaction(30)
        except KafkaException as failed:
            return str(failed.args[0].name())
        return None

    def consume(self, topic: str, *, group: str) -> str | bytes | None:
        """Read a topic's first record; return it, or the name of the error."""
        consumer = Consumer({**self._client, "group.id": group, "auto.offset.reset": "earliest"})
        try:
            consumer.subscribe([topic])
            message = consumer.poll(30)
            if message is None:
                return None
            error = message.error()
            return error.name() if error else message.value()
        except KafkaException as failed:
            return str(failed.args[0].name())
        finally:
            consumer.close()

    def refused_as_operator(self, topic: str) -> dict[str, str | None]:
        """Try what only an operator may; return the name of each attempt's error."""
        admin = AdminClient({**self._client})
        setting = ConfigEntry("retention.ms", "1", incremental_operation=AlterConfigOpType.SET)
        altered = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[setting])
        rights = AclBinding(
            ResourceType.TOPIC, "*", ResourcePatternType.LITERAL, f"User:{self.name}", "*",
            AclOperation.ALL, AclPermissionType.ALLOW,
        )  # fmt: skip
        attempts: dict[str, Mapping[Any, Future[Any]]] = {
            "delete": admin.delete_topics([topic]),
            "alter": admin.incremental_alter_configs([altered]),
            "let in": admin.create_acls([rights]),
        }
        return {name: _error(*tried.values()) for name, tried in attempts.items()}


def _error(attempt: Future[Any]) -> str | None:
    failed = attempt.exception(30)
    return failed.args[0].name() if isinstance(failed, KafkaException) else None


@asynccontextmanager
async def _outbox(cluster: Cluster) -> Any:
    producer = OutboxProducer(cluster)
    try:
        yield producer
    finally:
        await producer.stop()


async def test_a_tenants_user_reaches_its_own_topics_alone(guarded: GuardedKafka) -> None:
    tenant, other = Tenant(guarded), Tenant(guarded)
    platform: Cluster = Settings(**scram(guarded)).kafka
    for each_tenant in (tenant, other):
        await topics.ensure_tenant(platform, each_tenant.uid)
    async with _outbox(platform) as producer:
        rejected = INGEST_REJECTED.of(tenant.uid)
        await producer.send_all([outbox.raw(rejected, key="k", value=b"why", event_id="1")])
    await asyncio.to_thread(
        guarded.run_script, SCRIPTS / "tenant.sh", tenant.uid, said=tenant.password + "\n"
    )

    def reach(topic: str) -> tuple[str | None, str | bytes | None]:
        return tenant.produce(topic), tenant.consume(topic, group=f"tenant-{tenant.uid}.own")

    assert await asyncio.to_thread(tenant.produce, INGEST_INTERACTIONS.of(tenant.uid)) is None
    assert await asyncio.to_thread(tenant.produce, INGEST_CONVERSIONS.of(tenant.uid)) is None
    assert (await asyncio.to_thread(reach, rejected)) == ("TOPIC_AUTHORIZATION_FAILED", b"why")
    for forbidden in (INGEST_INTERACTIONS.of(other.uid), INGEST_REJECTED.of(other.uid)):
        assert {*await asyncio.to_thread(reach, forbidden)} == {"TOPIC_AUTHORIZATION_FAILED"}
    own, others = INGEST_INTERACTIONS.of(tenant.uid), f"{other.name}.shop"
    assert await asyncio.to_thread(tenant.transact, own, name=f"{tenant.name}.shop") is None
    refused = await asyncio.to_thread(tenant.transact, own, name=others)
    assert refused == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"
    stranger = await asyncio.to_thread(tenant.consume, rejected, group="somebody.elses")
    assert stranger == "GROUP_AUTHORIZATION_FAILED"


async def test_the_services_work_with_the_rights_of_the_platforms_script(
    guarded: GuardedKafka, tmp_path: Path
) -> None:
    uid, user = str(uuid4()), Tenant(guarded)
    # A name to sign in with is made the same way for everybody.
    await asyncio.to_thread(
        guarded.run_script, SCRIPTS / "tenant.sh", user.uid, said=user.password + "\n"
    )
    signed_in = {**scram(guarded, user=user.name), "kafka_password": SecretStr(user.password)}
    settings = Settings(home=tmp_path, replica="1", **signed_in)
    with pytest.raises(KafkaError):
        await topics.ensure(settings.kafka, topics.tenant_topics(uid, 1))
    await asyncio.to_thread(guarded.run_script, SCRIPTS / "platform.sh", user.name)
    await topics.ensure(settings.kafka, topics.platform_topics(1))
    await topics.ensure_tenant(settings.kafka, uid)
    assert await topics.differences(settings.kafka, replication=1) == []
    await hears_itself(settings, tmp_path)
    assert await asyncio.to_thread(user.refused_as_operator, TENANTS.name) == {
        "delete": "TOPIC_AUTHORIZATION_FAILED",
        "alter": "TOPIC_AUTHORIZATION_FAILED",
        "let in": "CLUSTER_AUTHORIZATION_FAILED",
    }
    # What it may delete are the topics of a tenant who is deleted.
    assert await topics.remove_tenant(settings.kafka, uid) == len(INGEST_TOPICS)
    assert await topics.remove_tenant(settings.kafka, uid) == 0
