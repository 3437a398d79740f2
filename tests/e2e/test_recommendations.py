"""What is recommended: fresh within a second, never what was seen or withdrawn, and honest."""

from collections.abc import Iterator
from random import Random
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Tenant, lasting
from tests.e2e.journey import TRAINING_LIMIT, interact, is_problem, recommended
from tests.running import RunningStack, until

GROUP = 10
_CHANCE = Random(7)
#: Twenty people a side, each with some of its ten items, drawn without a pattern.
LIKED = {
    f"{side}{person}": [f"{side}{n}" for n in range(GROUP) if _CHANCE.random() < 0.6]
    for side in "ab"
    for person in range(20)
}
ASKED = {"userId": "a0", "count": 5}


@pytest.fixture(scope="module")
def owner(stack: RunningStack) -> Iterator[Tenant]:
    yield from lasting(stack)


@pytest.fixture(scope="module")
def shop(owner: Tenant) -> Tenant:
    """Return a tenant whose people like either the a's or the b's, with a model of that."""
    rows = [
        {"id": f"{side}{n}", "metadata": {"title": f"{side} {n}", "side": side}}
        for side in "ab"
        for n in range(GROUP)
    ]
    owner.key_client.post("/api/items/bulk", json={"items": rows}).raise_for_status()
    interact(owner, [(person, item) for person, seen in LIKED.items() for item in seen])
    until(lambda: has_model(owner), within=TRAINING_LIMIT, every=0.5)
    return owner


def has_model(tenant: Tenant) -> bool:
    rows = tenant.client.get("/api/v1/algorithms").raise_for_status().json()
    return "ready" in {row["status"] for row in rows if row["name"] == "collaborative"}


def items(rows: list[dict[str, Any]]) -> list[str]:
    return [row["itemId"] for row in rows]


def test_a_stranger_is_refused(visitor: httpx.Client) -> None:
    for path in ("recommend", "similar"):
        assert is_problem(visitor.post(f"/api/v1/{path}", json=ASKED), 401)


def test_another_tenants_people_and_items_play_no_part(shop: Tenant, bystander: Tenant) -> None:
    assert recommended(shop, "a0")
    assert recommended(bystander, "a0") == []
    similar = bystander.key_client.post("/api/v1/similar", json={"itemId": "a1", "count": 5})
    assert is_problem(similar, 400)


def test_each_side_gets_its_own_and_nothing_seen(shop: Tenant) -> None:
    for side in "ab":
        person = f"{side}0"
        unseen = {f"{side}{n}" for n in range(GROUP)} - set(LIKED[person])
        rows = recommended(shop, person, count=len(unseen), algorithm="collaborative")
        assert set(items(rows)) == unseen
        assert [row["score"] for row in rows] == sorted((r["score"] for r in rows), reverse=True)


def test_the_answer_names_its_model(shop: Tenant) -> None:
    rows = {row["name"]: row for row in shop.client.get("/api/v1/algorithms").json()}
    body = ASKED | {"algorithm": "collaborative"}
    answer = shop.key_client.post("/api/v1/recommend", json=body)
    assert answer.headers["Millrace-Model"] == rows["collaborative"]["model_version"]


def test_what_is_ready_answers_at_once(shop: Tenant) -> None:
    for name in ("collaborative", "content-based"):
        shop.client.post(f"/api/v1/algorithms/{name}/train").raise_for_status()

    def settled() -> dict[str, Any] | None:
        rows = shop.client.get("/api/v1/algorithms").raise_for_status().json()
        known = {row["name"]: row for row in rows}
        is_over = known["collaborative"]["status"] == known["content-based"]["status"] == "ready"
        return known if is_over else None

    rows = until(settled, within=TRAINING_LIMIT, every=0.1)
    for name in ("collaborative", "content-based"):
        answer = shop.key_client.post("/api/v1/recommend", json=ASKED | {"algorithm": name})
        assert answer.headers["Millrace-Model"] == rows[name]["model_version"]


def test_an_explanation_names_the_persons_own_past(shop: Tenant) -> None:
    [best, *_] = recommended(shop, "a0", count=3, algorithm="collaborative")
    assert any(f"a {item[1:]}" in best["explanation"] for item in LIKED["a0"])
    assert not any(f"b {n}" in best["explanation"] for n in range(GROUP))


def test_somebody_unknown_is_told_that_this_is_popular(shop: Tenant) -> None:
    rows = recommended(shop, "nobody", count=5)
    assert len(rows) == 5
    assert all(row["algorithm"] == "popularity" for row in rows)
    assert all("popular" in row["explanation"].lower() for row in rows)


def test_an_interaction_changes_the_next_recommendations(shop: Tenant) -> None:
    person = "somebody new"
    for item in ("b0", "b1", "b2"):
        body = {"userId": person, "itemId": item, "interactionType": "like"}
        shop.key_client.post("/api/v1/interactions", json=body).raise_for_status()

    def is_about_b() -> bool:
        rows = recommended(shop, person, count=3, algorithm="collaborative")
        return bool(rows) and {item[0] for item in items(rows)} == {"b"}

    until(is_about_b, within=10)
    until(lambda: not {"b0", "b1", "b2"} & set(items(recommended(shop, person))), within=10)


def test_somebody_unknown_is_served_by_what_the_session_did(shop: Tenant) -> None:
    for item in ("b3", "b4"):
        body = {"userId": "a guest", "itemId": item, "interactionType": "like", "sessionId": "s1"}
        shop.key_client.post("/api/v1/interactions", json=body).raise_for_status()

    def in_session() -> list[dict[str, Any]]:
        rows = recommended(shop, "signed in now", count=3, sessionId="s1")
        return rows if "in this session" in rows[0]["explanation"] else []

    rows = until(in_session, within=10)
    assert {item[0] for item in items(rows)} == {"b"}
    assert not {"b3", "b4"} & set(items(rows))
    elsewhere = recommended(shop, "signed in now", count=3, sessionId="s2")
    assert all(row["algorithm"] == "popularity" for row in elsewhere)


def test_what_was_just_seen_is_gone(shop: Tenant) -> None:
    [best, *_] = items(recommended(shop, "a1", count=1))
    body = {"userId": "a1", "itemId": best, "interactionType": "purchase"}
    shop.key_client.post("/api/v1/interactions", json=body).raise_for_status()
    until(lambda: best not in items(recommended(shop, "a1")), within=10)


def test_a_withdrawn_item_is_absent_everywhere_and_comes_back(shop: Tenant) -> None:
    [item, *_] = items(recommended(shop, "a2"))
    path = f"/api/items/{item}"
    shop.key_client.patch(path, json={"isActive": False}).raise_for_status()
    until(lambda: item not in items(recommended(shop, "a2")), within=10)
    for person in ("a2", "a3", "nobody"):
        for algorithm in ("collaborative", "content-based", "hybrid", "deep-learning"):
            assert item not in items(recommended(shop, person, algorithm=algorithm))
    assert not any(item in similar(shop, f"a{n}") for n in range(GROUP))
    shop.key_client.patch(path, json={"isActive": True}).raise_for_status()
    until(lambda: item in items(recommended(shop, "a2")), within=10)


def test_similar_items_are_of_the_same_kind_and_not_the_item(shop: Tenant) -> None:
    found = similar(shop, "b4", count=4)
    assert "b4" not in found
    assert {item[0] for item in found} == {"b"}


def similar(tenant: Tenant, item: str, *, count: int = 20) -> list[str]:
    answer = tenant.key_client.post("/api/v1/similar", json={"itemId": item, "count": count})
    rows: list[dict[str, Any]] = answer.raise_for_status().json()
    return items(rows)
