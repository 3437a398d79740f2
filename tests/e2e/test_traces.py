"""One trace follows a call through every topic to its last effect."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Producer

from tests.e2e.conftest import Tenant
from tests.running import RunningStack, until

HISTORY = "user_id,item_id,timestamp\n" + "".join(
    f"u{n % 9},i{n % 7},2026-01-01T00:00:{n % 60:02d}\n" for n in range(120)
)


@dataclass(frozen=True)
class Span:
    """A span as the services write it down."""

    service: str
    name: str
    id: str
    parent: str | None


def spans_of(home: Path, trace_id: str) -> dict[str, Span]:
    """Return a trace's spans by id."""
    found = {}
    for path in (home / "traces").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            if trace_id in line:
                span = json.loads(line)
                found[span["span_id"]] = Span(
                    span["service"], span["name"], span["span_id"], span["parent_id"]
                )
    return found


def edges(spans: dict[str, Span]) -> set[tuple[str, str]]:
    """Return which service's spans are children of which other service's."""
    pairs = [(spans[each.parent], each) for each in spans.values() if each.parent in spans]
    return {(parent.service, child.service) for parent, child in pairs}


def has_edges(stack: RunningStack, trace_id: str, wanted: set[tuple[str, str]]) -> bool:
    return wanted <= edges(spans_of(stack.home, trace_id))


def named(stack: RunningStack, trace_id: str) -> set[tuple[str, str]]:
    return {(span.service, span.name) for span in spans_of(stack.home, trace_id).values()}


def traceparent() -> tuple[str, dict[str, str]]:
    trace_id = secrets.token_hex(16)
    return trace_id, {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}


def test_an_interaction_is_followed_to_every_consumer(stack: RunningStack, tenant: Tenant) -> None:
    trace_id, headers = traceparent()
    body = {"userId": "u", "itemId": "i", "interactionType": "like"}
    answer = tenant.key_client.post("/api/v1/interactions", json=body, headers=headers)
    assert answer.status_code == 201
    wanted = {
        ("gateway", "catalog"),
        ("catalog", "inference"),
        ("catalog", "training"),
        ("catalog", "billing"),
    }
    until(lambda: has_edges(stack, trace_id, wanted), within=20)


def test_a_training_is_followed_to_the_swap(stack: RunningStack, tenant: Tenant) -> None:
    project = {"project": tenant.project}
    files = {"file": ("history.csv", HISTORY, "text/csv")}
    data = tenant.client.post("/api/v1/training_data/", data=project, files=files)
    recommender = {"recommender_class_name": "TopPopRecommender", "parameters_json": {}}
    configuration = tenant.client.post(
        "/api/v1/model_configuration/", json={**project, **recommender}
    )
    trace_id, headers = traceparent()
    order = {
        "configuration": configuration.raise_for_status().json()["id"],
        "data_loc": data.raise_for_status().json()["id"],
    }
    started = tenant.client.post("/api/v1/trained_model/", json=order, headers=headers)
    assert started.status_code == 201
    wanted = {("gateway", "training"), ("training", "inference"), ("training", "experiments")}
    until(lambda: has_edges(stack, trace_id, wanted), within=60)
    until(lambda: ("inference", "swap") in named(stack, trace_id), within=60)


def test_a_kafka_record_with_a_trace_is_followed_too(stack: RunningStack, tenant: Tenant) -> None:
    trace_id, headers = traceparent()
    topic = tenant.key_client.get("/api/v1/ingest").json()["interactions_topic"]
    producer = Producer({"bootstrap.servers": stack.kafka})
    value = json.dumps({"userId": "k", "itemId": "i", "interactionType": "view"})
    producer.produce(topic, value.encode(), headers=dict(headers.items()))
    assert producer.flush(20) == 0
    until(lambda: has_edges(stack, trace_id, {("catalog", "inference")}), within=20)


def test_a_trace_prints_as_a_tree(stack: RunningStack, tenant: Tenant) -> None:
    trace_id, headers = traceparent()
    tenant.key_client.get("/api/items", headers=headers).raise_for_status()
    until(lambda: has_edges(stack, trace_id, {("gateway", "catalog")}), within=20)
    printed = stack.command("trace", trace_id)
    assert "gateway" in printed
    assert "catalog" in printed
