"""Two processes of every service do together what one does alone: everything, and once."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any
from uuid import uuid4

import httpx
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from contracts.topics import INTERACTIONS
from tests import local
from tests.e2e.conftest import PASSWORD
from tests.e2e.journey import TRAINING_LIMIT, interact
from tests.running import until
from tests.scale.conftest import SERVICES, Both, Pair, Workshop, deployed

#: A change is to be everywhere within a second; a busy machine needs some time to be asked, too.
SOON = 2.0


def test_every_service_runs_twice(pair: Pair) -> None:
    for service in SERVICES:
        urls = pair.urls(service)
        assert len(urls) == 2
        for url in urls:
            until(lambda: local.get(f"{url}/readyz").status_code == 200)  # noqa: B023


def test_what_is_made_at_the_first_start_is_made_once(pair: Pair) -> None:
    operators = "SELECT count(*) FROM people WHERE role = 'superuser'"
    assert pair.fetch("gateway", operators) == 1
    assert pair.fetch("gateway", "SELECT count(*) FROM token_keys") == 1


def test_partitions_are_shared(pair: Pair) -> None:
    admin = AdminClient({"bootstrap.servers": pair.stack.kafka})

    def shares(group: str) -> list[set[int]]:
        found = admin.describe_consumer_groups([group])[group].result(20)
        return [
            {each.partition for each in member.assignment.topic_partitions if each.topic == topic}
            for member in found.members
        ]

    topic = INTERACTIONS.name
    everything = set(range(INTERACTIONS.partitions))
    for group in ("inference.histories", "training.interactions", "billing.interactions"):

        def is_shared(group: str = group) -> bool:
            one, *others = shares(group)
            return len(others) == 1 and bool(one) and bool(others[0])

        until(is_shared)
        one, other = shares(group)
        assert one | other == everything
        assert not one & other


def test_both_gateways_know_whom_one_of_them_has_let_in(both: Both) -> None:
    for client in (*both.clients, *both.key_clients):
        answer = client.get("/api/v1/project/").raise_for_status()
        assert [each["id"] for each in answer.json()["results"]] == [both.tenant.project]


def test_a_revoked_key_is_refused_by_both_gateways_within_a_second(both: Both) -> None:
    for client in both.key_clients:
        client.get("/api/v1/project/").raise_for_status()
    [key] = both.clients[0].get("/api/v1/api_keys/").json()["results"]
    both.clients[0].post(f"/api/v1/api_keys/{key['id']}/revoke/").raise_for_status()
    for client in both.key_clients:
        until(lambda: refused(client, "/api/v1/project/"), within=SOON, every=0.02)  # noqa: B023


def test_a_session_that_ends_at_one_gateway_ends_at_both_within_a_second(both: Both) -> None:
    for client in both.clients:
        client.get("/api/v1/auth/user/").raise_for_status()
    both.clients[0].post("/api/v1/auth/logout/").raise_for_status()
    for client in both.clients:
        until(lambda: refused(client, "/api/v1/auth/user/"), within=SOON, every=0.02)  # noqa: B023


def test_a_deleted_tenant_is_refused_by_both_gateways_within_a_second(both: Both) -> None:
    everybody = (*both.clients, *both.key_clients)
    for client in everybody:
        client.get("/api/v1/project/").raise_for_status()
    begun = both.clients[1].request("DELETE", "/api/v1/tenant", json={"password": PASSWORD})
    assert begun.status_code == 202
    for client in everybody:
        until(lambda: refused(client, "/api/v1/project/"), within=SOON, every=0.02)  # noqa: B023


def refused(client: httpx.Client, path: str) -> bool:
    """Tell whether a credential is worth nothing."""
    return client.get(path).status_code == 401


def test_rates_count_the_requests_to_both_gateways_together(both: Both) -> None:
    def left(client: httpx.Client) -> int:
        answer = client.get("/api/v1/project/").raise_for_status()
        return int(answer.headers["RateLimit-Remaining"])

    counts = [left(both.key_clients[n % 2]) for n in range(10)]
    assert counts == list(range(counts[0], counts[0] - 10, -1))


def test_a_new_model_is_swapped_in_by_every_replica(both: Both) -> None:
    interact(both.tenant, [(f"u{n % 12}", f"i{n % 12 + n // 12}") for n in range(120)])
    replicas = both.direct("inference")
    first = until(lambda: version_of(replicas[0]), within=TRAINING_LIMIT)
    until(lambda: version_of(replicas[1]) == first)
    both.clients[1].post("/api/v1/algorithms/collaborative/train").raise_for_status()
    second = until(
        lambda: (found := version_of(replicas[1])) != first and found, within=TRAINING_LIMIT
    )
    until(lambda: version_of(replicas[0]) == second)


def version_of(replica: httpx.Client) -> str | None:
    """Return the version with which a replica answers, None while only popularity does."""
    body = {"userId": "u1", "count": 5, "algorithm": "collaborative"}
    answer = replica.post("/api/v1/recommend", json=body).raise_for_status()
    version = answer.headers["Millrace-Model"]
    return None if version == "popularity" else version


def test_histories_agree_whichever_replica_answers(both: Both) -> None:
    catalogue = [f"i{n}" for n in range(40)]
    interact(both.tenant, [(f"other{n % 5}", item) for n, item in enumerate(catalogue)])
    writers, replicas = both.direct("catalog"), both.direct("inference")

    def answers(user: str) -> list[list[str]]:
        body = {"userId": user, "count": 40}
        found = [replica.post("/api/v1/recommend", json=body) for replica in replicas]
        return [[each["itemId"] for each in answer.json()] for answer in found]

    users = [f"u{n}" for n in range(6)]  # of several partitions, which both replicas read
    until(lambda: all(len(found) == 40 for found in answers(users[0])))
    for user, item, writer in product(users, catalogue[:2], writers):
        event = {"userId": user, "itemId": item, "interactionType": "purchase"}
        writer.post("/api/v1/interactions", json=event).raise_for_status()
        until(lambda: all(item not in found for found in answers(user)), within=SOON)  # noqa: B023
    for user in users:
        until(lambda: (found := answers(user))[0] == found[1])  # noqa: B023


def test_every_job_runs_once_on_one_of_two_services(workshop: Workshop) -> None:
    pair, models = workshop.both.pair, workshop.models
    attempts = "SELECT attempt FROM jobs WHERE model_id = $1"
    assert [pair.fetch("training", attempts, model) for model in models] == [1, 1]
    ready = Counter(
        event["model_id"]
        for event in everything_on(pair, "model-ready.v1")
        if event["type"] == "ModelReady"
    )
    assert [ready[model] for model in models] == [1, 1]


def test_a_slot_change_reaches_every_replica_within_a_second(workshop: Workshop) -> None:
    both, (first, second) = workshop.both, workshop.models
    made = deployed(both.tenant, first)
    replicas = both.direct("inference")
    path = f"/inference/predict/project/{both.tenant.project}"

    def answered_by(model: int) -> bool:
        found = [replica.post(path, json={"user_id": "u1"}) for replica in replicas]
        return all(each.json().get("model_id") == model for each in found)

    until(lambda: answered_by(first))
    for model in 2 * (second, first):
        change = {"trained_model": model}
        both.clients[1].patch(f"/api/v1/deployment_slot/{made}/", json=change).raise_for_status()
        until(lambda: answered_by(model), within=SOON, every=0.02)  # noqa: B023


def test_a_schedule_fires_once(workshop: Workshop) -> None:
    both = workshop.both
    plan = {
        "project": both.tenant.project,
        "is_enabled": True,
        "cron_expression": "0 0 1 1 *",
        "training_data": workshop.data,
        "model_configuration": workshop.configuration,
    }
    made = both.clients[0].post("/api/v1/retraining_schedule/", json=plan).raise_for_status().json()
    come = "UPDATE retraining_schedules SET next_run_at = now() WHERE id = $1"
    both.pair.fetch("training", come, made["id"])  # as time would

    def runs() -> list[dict[str, Any]]:
        query = {"schedule": made["id"]}
        found = both.clients[1].get("/api/v1/retraining_run/", params=query).raise_for_status()
        return list(found.json()["results"])

    until(lambda: [each["status"] for each in runs()] == ["COMPLETED"], within=TRAINING_LIMIT)
    models = both.clients[0].get("/api/v1/trained_model/").raise_for_status().json()
    assert models["count"] == len(workshop.models) + 1


def test_everything_that_comes_through_both_doors_and_gateways_counts_once(both: Both) -> None:
    door = both.key_clients[0].get("/api/v1/ingest").raise_for_status().json()
    streamed = [f"k{n}" for n in range(2000)]
    records = [
        {"userId": f"u{n % 40}", "itemId": f"i{n % 60}", "interactionType": "view", "eventId": each}
        for n, each in enumerate(streamed)
    ]
    produce(both.pair, door["interactions_topic"], [*records, *records[:500]])
    batches = [records[:100], records[1900:], [r | {"eventId": f"h{n}"} for n, r in sent(records)]]
    for client in both.key_clients:
        for batch in batches:
            path = "/api/v1/interactions/batch"
            client.post(path, json={"interactions": batch}).raise_for_status()
    expected = 2000 + len(batches[2])
    until(lambda: used(both.clients[0]) == expected / 100, within=60)
    assert used(both.clients[1]) == expected / 100
    count = "SELECT interactions FROM tallies WHERE tenant_id = $1"
    tenant = both.clients[0].get("/api/v1/auth/user/").json()["tenantId"]
    until(lambda: both.pair.fetch("training", count, tenant) == expected, within=60)
    told = [e for e in everything_on(both.pair, INTERACTIONS.name) if e["tenant_id"] == tenant]
    assert len(told) == len({each["event_id"] for each in told}) == expected


def test_recommendations_are_generated_and_counted_once_for_each_user(both: Both) -> None:
    users = [f"u{n}" for n in range(120)]
    interact(both.tenant, [(user, f"i{n % 30}") for n, user in enumerate(users)])
    until(lambda: used(both.clients[0]) == len(users) / 100, within=60)
    wanted = {"algorithm": "hybrid", "userSegment": "all", "count": 2}
    both.clients[0].post("/api/recommendations/generate", json=wanted).raise_for_status()

    def listed() -> int:
        answer = both.clients[1].get("/api/recommendations", params={"pageSize": 1})
        return int(answer.raise_for_status().json()["total"])

    until(lambda: listed() == 2 * len(users), within=60)
    until(lambda: used(both.clients[1]) == 2 * len(users) / 100, within=60)
    tenant = both.clients[0].get("/api/v1/auth/user/").json()["tenantId"]
    served = {
        (event["user_id"], event["event_id"])
        for event in everything_on(both.pair, "servings.v1")
        if event["tenant_id"] == tenant
    }
    assert sorted(user for user, _event in served) == sorted(users)


def sent(records: Sequence[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Return some of the records, for events of their own."""
    return list(enumerate(records[:200]))


def used(client: httpx.Client) -> float:
    """Return the units that billing has counted."""
    return float(client.get("/api/billing/usage").raise_for_status().json()["unitsUsed"])


def produce(pair: Pair, topic: str, records: Sequence[dict[str, Any]]) -> None:
    """Write records as a tenant's producer does."""
    producer = Producer({"bootstrap.servers": pair.stack.kafka})
    for record in records:
        producer.produce(topic, json.dumps(record).encode(), key=record["userId"].encode())
    assert producer.flush(30) == 0


def everything_on(pair: Pair, topic: str) -> list[dict[str, Any]]:
    """Return what a topic holds now."""
    consumer = Consumer({"bootstrap.servers": pair.stack.kafka, "group.id": uuid4().hex})
    try:
        partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
        places = [TopicPartition(topic, number, 0) for number in partitions]
        ends = {
            place.partition: consumer.get_watermark_offsets(place, timeout=20)[1]
            for place in places
        }
        consumer.assign(places)
        found: list[dict[str, Any]] = []
        missing = {number for number, end in ends.items() if end}
        while missing:
            message = consumer.poll(20)
            assert message is not None
            assert message.error() is None
            found.append(json.loads(message.value() or b"{}"))
            if (message.offset() or 0) + 1 >= ends[message.partition() or 0]:
                missing.discard(message.partition() or 0)
        return found
    finally:
        consumer.close()
