"""The producers' door: what an independent Kafka client writes is kept once, or told why not."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import jsonschema
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from tests.e2e.conftest import Tenant
from tests.e2e.journey import is_problem, key_with, slot, with_model
from tests.running import RunningStack, until

VIEW = {"userId": "u", "itemId": "i", "interactionType": "view"}


@dataclass
class Door:
    """A tenant's topics, as its own producers see them."""

    kafka: str
    topics: dict[str, Any]
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def send(self, *values: dict[str, Any] | bytes, topic: str = "interactions") -> None:
        producer = Producer({"bootstrap.servers": self.kafka})
        for value in values:
            record = value if isinstance(value, bytes) else json.dumps(value).encode()
            producer.produce(self.topics[f"{topic}_topic"], record)
        assert producer.flush(30) == 0

    def listen(self) -> Iterator[Consumer]:
        settings = {"group.id": uuid4().hex, "auto.offset.reset": "earliest"}
        consumer = Consumer({"bootstrap.servers": self.kafka, **settings})
        consumer.subscribe([self.topics["rejected_topic"]])
        yield consumer
        consumer.close()

    def told(self, consumer: Consumer, count: int) -> list[dict[str, Any]]:
        """Return the first rejects, waited for."""

        def enough() -> bool:
            record = consumer.poll(0.2)
            if record is not None and record.error() is None:
                self.rejected.append(json.loads(record.value() or b"{}"))
            return len(self.rejected) >= count

        until(enough, within=60, every=0.01)
        return self.rejected


@pytest.fixture
def door(stack: RunningStack, tenant: Tenant) -> Door:
    return Door(stack.kafka, tenant.key_client.get("/api/v1/ingest").raise_for_status().json())


@pytest.fixture
def rejects(door: Door) -> Iterator[Consumer]:
    yield from door.listen()


def used(tenant: Tenant) -> float:
    return float(tenant.client.get("/api/billing/usage").json()["unitsUsed"])


def items(tenant: Tenant) -> set[str]:
    found = tenant.client.get("/api/items?pageSize=100").json()["data"]
    return {item["id"] for item in found}


def test_a_tenant_that_never_asked_has_no_topics(
    stack: RunningStack, new_tenant: Callable[[], Tenant]
) -> None:
    silent, asking = new_tenant(), new_tenant()
    told = asking.key_client.get("/api/v1/ingest").raise_for_status().json()
    names = set(AdminClient({"bootstrap.servers": stack.kafka}).list_topics(timeout=30).topics)
    assert {told[f"{kind}_topic"] for kind in ("interactions", "conversions", "rejected")} <= names
    uid = silent.client.get("/api/v1/auth/user/").json()["tenantId"]
    assert not any(uid in name for name in names)


def test_a_stranger_and_a_key_that_cannot_write_learn_nothing(
    visitor: httpx.Client, bystander: Tenant
) -> None:
    assert is_problem(visitor.get("/api/v1/ingest"), 401)
    headers = {"X-API-Key": key_with(bystander, "read", "predict", name="no producer")}
    assert is_problem(visitor.get("/api/v1/ingest", headers=headers), 403)


def test_another_tenant_is_told_other_topics(
    stack: RunningStack, new_tenant: Callable[[], Tenant]
) -> None:
    one = new_tenant().client.get("/api/v1/ingest").json()
    other = new_tenant().client.get("/api/v1/ingest").json()
    kinds = ("interactions_topic", "conversions_topic", "rejected_topic")
    assert not {one[kind] for kind in kinds} & {other[kind] for kind in kinds}
    assert one["bootstrap_servers"] == stack.kafka


def test_a_tenants_topics_exist_within_ten_seconds(stack: RunningStack, tenant: Tenant) -> None:
    topics = tenant.client.get("/api/v1/ingest").json()
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    wanted = {topics[f"{kind}_topic"] for kind in ("interactions", "conversions", "rejected")}
    until(lambda: wanted <= set(admin.list_topics(timeout=10).topics), within=10)


def test_the_schemas_accept_what_is_accepted(door: Door) -> None:
    jsonschema.validate(VIEW | {"value": 0.5, "eventId": "e"}, door.topics["interaction_schema"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(VIEW | {"value": 2}, door.topics["interaction_schema"])


def test_a_record_is_kept_like_a_call(door: Door, tenant: Tenant) -> None:
    door.send(VIEW | {"itemId": "by kafka"})
    until(lambda: "by kafka" in items(tenant), within=60)
    until(lambda: used(tenant) == 0.01, within=60)


def test_the_same_id_through_the_other_door_is_the_same_event(door: Door, tenant: Tenant) -> None:
    event = VIEW | {"eventId": "both doors"}
    first = tenant.key_client.post("/api/v1/interactions", json=event)
    door.send(event, event, VIEW | {"eventId": "last", "itemId": "last"})
    until(lambda: "last" in items(tenant), within=60)
    again = tenant.key_client.post("/api/v1/interactions", json=event)
    assert (again.status_code, again.json()) == (201, first.json())
    kafka_first = VIEW | {"eventId": "last", "itemId": "last"}
    assert tenant.key_client.post("/api/v1/interactions", json=kafka_first).status_code == 201
    until(lambda: used(tenant) == 1.01, within=60)


def test_the_same_id_with_another_body_is_a_contradiction(
    door: Door, tenant: Tenant, rejects: Consumer
) -> None:
    event = VIEW | {"eventId": "one"}
    tenant.key_client.post("/api/v1/interactions", json=event).raise_for_status()
    door.send(event | {"itemId": "other"})
    [told] = door.told(rejects, 1)
    assert (told["code"], told["field"]) == ("CONFLICT", "eventId")
    assert "other" not in items(tenant)


def test_what_is_refused_is_told_with_its_place(
    door: Door, tenant: Tenant, rejects: Consumer
) -> None:
    long = b'{"userId": "' + b"x" * 20_000 + b'"}'
    bad: list[dict[str, Any] | bytes] = [
        b"{not json",
        b"\xff\xfe",
        b"[]",
        b"",
        VIEW | {"interactionType": "stare"},
        VIEW | {"value": 3},
        {"userId": "u"},
        VIEW | {"timestamp": "yesterday"},
        b"[" * 5_000,
        long,
    ]
    door.send(*bad, VIEW | {"itemId": "sound"})
    until(lambda: "sound" in items(tenant), within=60)
    told = door.told(rejects, len(bad))
    members = {"code", "field", "message", "source", "record", "rejected_at"}
    assert all(set(each) == members for each in told)
    assert {each["source"]["topic"] for each in told} == {door.topics["interactions_topic"]}
    places = {(each["source"]["partition"], each["source"]["offset"]) for each in told}
    assert len(places) == len(bad)
    assert max(len(each["record"]) for each in told) <= 8 * 1024
    by_record = {each["record"]: each for each in told}
    assert by_record["{not json"]["code"]
    assert next(e for e in told if "stare" in e["record"])["field"] == "interactionType"
    assert items(tenant) == {"sound"}


def test_a_conversion_counts_once_through_both_doors(
    door: Door, tenant: Tenant, rejects: Consumer
) -> None:
    arm = slot(tenant, with_model(tenant), name="main")
    event = {
        "project": tenant.project,
        "deployment_slot": arm,
        "user_id": "u",
        "item_id": "i",
        "event_type": "click",
    }
    door.send(event | {"eventId": "c1"}, event | {"eventId": "c1"}, topic="conversions")
    listed = f"/api/v1/conversion_event/?deployment_slot={arm}"
    until(lambda: tenant.client.get(listed).json()["count"] == 1, within=60)
    again = tenant.key_client.post("/api/v1/conversion_event/", json=event | {"eventId": "c1"})
    assert again.status_code == 201
    assert tenant.client.get(listed).json()["count"] == 1
    door.send(event | {"deployment_slot": 999_999, "eventId": "c2"}, topic="conversions")
    [told] = door.told(rejects, 1)
    assert told["source"]["topic"] == door.topics["conversions_topic"]


def test_any_client_may_compress_set_headers_and_take_back(
    door: Door, tenant: Tenant, rejects: Consumer
) -> None:
    headers: list[tuple[str, str | bytes | None]] = [
        ("x-agent", b"\xc3\x28\xff"),
        ("x-agent", None),
        ("traceparent", b"\xff\xfe"),
        ("reply_to", door.topics["rejected_topic"]),
    ]
    topic, codecs = door.topics["interactions_topic"], ("none", "gzip", "snappy", "lz4", "zstd")
    for codec in codecs:
        producer = Producer({"bootstrap.servers": door.kafka, "compression.type": codec})
        for value in (VIEW | {"itemId": codec, "metadata": {"pad": "x" * 1000}}, {"userId": codec}):
            producer.produce(topic, json.dumps(value).encode(), headers=headers)
        assert producer.flush(30) == 0
    transactional = {"bootstrap.servers": door.kafka, "transactional.id": uuid4().hex}
    producer = Producer(transactional)
    producer.init_transactions(30)
    for item, end in (
        ("taken back", producer.abort_transaction),
        ("committed", producer.commit_transaction),
    ):
        producer.begin_transaction()
        producer.produce(topic, json.dumps(VIEW | {"itemId": item}).encode(), headers=headers)
        assert producer.flush(30) == 0
        end(30)
    until(lambda: items(tenant) == {*codecs, "committed"}, within=60)
    assert {json.loads(each["record"])["userId"] for each in door.told(rejects, 5)} == set(codecs)
    until(lambda: used(tenant) == 0.06, within=60)
