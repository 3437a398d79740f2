"""RecommendAI's API as its clients use it: camel case, keys for machines, tokens for people."""

from collections.abc import Callable

import httpx
import pytest

from tests.e2e.conftest import Tenant
from tests.e2e.journey import interact, is_problem, key_with, recommended
from tests.running import until

INTERACTION = {"userId": "u", "itemId": "i", "interactionType": "view"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/items"),
        ("GET", "/api/items/x"),
        ("POST", "/api/v1/recommend"),
        ("POST", "/api/v1/similar"),
        ("POST", "/api/v1/interactions"),
        ("GET", "/api/users"),
        ("GET", "/api/billing/current"),
        ("GET", "/api/billing/usage"),
        ("PUT", "/api/billing/overage-cap"),
    ],
)
def test_a_stranger_is_refused(method: str, path: str, visitor: httpx.Client) -> None:
    assert is_problem(visitor.request(method, path), 401)


def test_another_tenants_item_does_not_exist(new_tenant: Callable[[], Tenant]) -> None:
    one, other = new_tenant(), new_tenant()
    one.key_client.post("/api/items", json={"id": "secret", "metadata": {"title": "Plan"}})
    assert is_problem(other.key_client.get("/api/items/secret"), 404)
    assert is_problem(other.key_client.patch("/api/items/secret", json={"isActive": False}), 404)
    assert is_problem(other.key_client.delete("/api/items/secret"), 404)
    assert other.key_client.get("/api/items?search=Plan").json()["total"] == 0
    foreign = other.key_client.post("/api/v1/similar", json={"itemId": "secret", "count": 3})
    absent = other.key_client.post("/api/v1/similar", json={"itemId": "absent", "count": 3})
    assert foreign.status_code == absent.status_code
    assert one.key_client.get("/api/items/secret").json()["isActive"] is True


def test_two_tenants_may_use_the_same_ids(new_tenant: Callable[[], Tenant]) -> None:
    one, other = new_tenant(), new_tenant()
    for tenant, title in ((one, "One"), (other, "Other")):
        body = {"id": "same", "metadata": {"title": title}}
        assert tenant.key_client.post("/api/items", json=body).status_code == 201
        event = INTERACTION | {"eventId": "same"}
        assert tenant.key_client.post("/api/v1/interactions", json=event).status_code == 201
    assert one.key_client.get("/api/items/same").json()["metadata"] == {"title": "One"}
    assert other.key_client.get("/api/items/same").json()["metadata"] == {"title": "Other"}


def test_an_item_lives_from_post_to_delete(tenant: Tenant) -> None:
    client = tenant.key_client
    made = client.post("/api/items", json={"id": "a b/c", "metadata": {"title": "Tale"}})
    assert made.status_code == 201
    documented = {"id", "tenantId", "metadata", "isActive", "createdAt", "updatedAt"}
    assert documented <= set(made.json())
    path = "/api/items/a%20b/c"
    assert client.get(path).json()["id"] == "a b/c"
    assert client.patch(path, json={"isActive": False}).json()["metadata"] == {"title": "Tale"}
    replaced = client.put(path, json={"metadata": {"title": "Saga"}, "isActive": True}).json()
    assert (replaced["metadata"], replaced["isActive"]) == ({"title": "Saga"}, True)
    assert is_problem(client.post("/api/items", json={"id": "a b/c", "metadata": {}}), 409)
    assert client.delete(path).status_code == 204
    assert is_problem(client.get(path), 404)


def test_items_are_paged_and_searched(tenant: Tenant) -> None:
    rows = [{"id": f"i{n}", "metadata": {"title": f"Tale {n}"}} for n in range(25)]
    added = tenant.key_client.post("/api/items/bulk", json={"items": rows}).json()
    assert (added["created"], added["failed"]) == (25, 0)
    page = tenant.key_client.get("/api/items?page=2&pageSize=20").json()
    assert (page["total"], page["page"], page["pageSize"]) == (25, 2, 20)
    assert len(page["data"]) == 5
    found = tenant.key_client.get("/api/items?search=Tale 24").json()["data"]
    assert [item["id"] for item in found] == ["i24"]
    for query in ("pageSize=101", "page=0", "page=x"):
        assert is_problem(tenant.key_client.get(f"/api/items?{query}"), 400)


def test_an_interaction_is_answered_as_documented(tenant: Tenant) -> None:
    answer = tenant.key_client.post("/api/v1/interactions", json=INTERACTION | {"value": 0.5})
    assert answer.status_code == 201
    assert answer.json()["success"] is True
    assert {"interactionId", "timestamp"} <= set(answer.json())
    bare = until(lambda: tenant.key_client.get("/api/items/i").json().get("id"))
    assert bare == "i"


@pytest.mark.parametrize(
    "change",
    [
        {"interactionType": "stare"},
        {"value": 1.1},
        {"value": "0.5"},
        {"userId": ""},
        {"userId": 7},
        {"itemId": None},
        {"userId": "u" * 257},
        {"timestamp": "yesterday"},
    ],
    ids=str,
)
def test_an_unsound_interaction_is_refused(change: dict[str, object], bystander: Tenant) -> None:
    answer = bystander.key_client.post("/api/v1/interactions", json=INTERACTION | change)
    assert is_problem(answer, 400)
    assert next(iter(change)) in answer.json()


def test_a_repeated_interaction_is_the_same_event(tenant: Tenant) -> None:
    client, headers = tenant.key_client, {"Idempotency-Key": "once"}
    first = client.post("/api/v1/interactions", json=INTERACTION, headers=headers)
    again = client.post("/api/v1/interactions", json=INTERACTION, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    other = client.post("/api/v1/interactions", json=INTERACTION | {"itemId": "j"}, headers=headers)
    assert is_problem(other, 409)


def test_a_batch_is_kept_whole_or_not_at_all(tenant: Tenant) -> None:
    rows = [INTERACTION | {"eventId": f"e{n}", "itemId": f"i{n}"} for n in range(3)]
    path = "/api/v1/interactions/batch"
    refused = tenant.key_client.post(
        path, json={"interactions": [*rows, INTERACTION | {"value": 9}]}
    )
    assert is_problem(refused, 400)
    assert refused.json()["interactions"][:3] == [{}, {}, {}]
    assert "value" in refused.json()["interactions"][3]
    kept = tenant.key_client.post(path, json={"interactions": [*rows, rows[0]]})
    assert kept.status_code == 201
    assert (kept.json()["created"], kept.json()["duplicates"]) == (3, 1)
    assert [each["duplicate"] for each in kept.json()["results"]] == [False, False, False, True]
    too_many = {"interactions": [INTERACTION] * 1001}
    assert is_problem(tenant.key_client.post(path, json=too_many), 400)


def test_recommendations_have_the_documented_members(tenant: Tenant) -> None:
    interact(tenant, [(f"u{n}", f"i{n % 5}") for n in range(20)])
    rows = until(lambda: recommended(tenant, "somebody", count=3))
    assert len(rows) == 3
    assert all({"itemId", "score", "algorithm", "explanation"} <= set(row) for row in rows)
    assert [row["score"] for row in rows] == sorted((r["score"] for r in rows), reverse=True)


@pytest.mark.parametrize(
    "body",
    [
        {"userId": "u"},
        {"userId": "u", "count": 0},
        {"userId": "u", "count": 101},
        {"userId": "u", "count": "5"},
        {"count": 5},
        {"userId": "u", "count": 5, "algorithm": "magic"},
    ],
    ids=str,
)
def test_an_unsound_question_is_refused(body: dict[str, object], bystander: Tenant) -> None:
    assert is_problem(bystander.key_client.post("/api/v1/recommend", json=body), 400)


def test_algorithms_are_listed_with_where_they_stand(bystander: Tenant) -> None:
    rows = bystander.client.get("/api/v1/algorithms").json()
    names = {row["name"] for row in rows}
    assert {"collaborative", "content-based", "hybrid"} <= names
    members = {"name", "model_version", "trained_at", "interactions_seen", "status"}
    assert all(members | {"next_training"} <= set(row) for row in rows)


def test_people_are_managed_by_admins_alone(tenant: Tenant) -> None:
    page = tenant.client.get("/api/users?page=1&pageSize=5").json()
    assert (page["total"], page["pageSize"]) == (1, 5)
    person = page["data"][0]
    documented = {"id", "email", "name", "role", "isActive", "createdAt", "lastActiveAt"}
    assert documented <= set(person)
    assert tenant.client.get(f"/api/users/{person['id']}").json()["email"] == tenant.email
    assert is_problem(tenant.key_client.get("/api/users"), 403)


def test_plans_are_public_and_as_documented(visitor: httpx.Client) -> None:
    plans = {plan["id"]: plan for plan in visitor.get("/api/billing/plans").json()}
    starter, growth = plans["plan-starter"], plans["plan-growth"]
    limits = ("monthlyPrice", "annualPrice", "requestLimit", "itemLimit", "userLimit")
    assert [starter[name] for name in limits] == [49, 470, 10_000, 1_000, 500]
    assert [growth[name] for name in limits] == [149, 1_430, 100_000, 10_000, 5_000]


def test_a_key_needs_predict_to_ask(bystander: Tenant, visitor: httpx.Client) -> None:
    headers = {"X-API-Key": key_with(bystander, "read", "write", name="no predict")}
    for path, body in (
        ("/api/v1/recommend", {"userId": "u", "count": 1}),
        ("/api/v1/similar", {"itemId": "i", "count": 1}),
    ):
        assert is_problem(visitor.post(path, json=body, headers=headers), 403)
