"""Ids travel through the real gateway and real servers, whatever stands in them."""

import json
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import httpx

from chassis.testing.ids import NO_IDS, ODD_IDS
from tests.e2e.conftest import Tenant
from tests.e2e.journey import configured, is_problem, trained, uploaded
from tests.running import RunningStack, until


def path_of(item_id: str) -> str:
    return f"/api/items/{quote(item_id, safe='')}"


def catalogue(client: httpx.Client) -> dict[str, bool]:
    found = client.get("/api/items?pageSize=100").raise_for_status().json()
    return {row["id"]: row["isActive"] for row in found["data"]}


def test_every_item_is_reached_by_its_own_path_alone(tenant: Tenant) -> None:
    client = tenant.key_client
    rows = [{"id": each, "metadata": {"title": ascii(each)}} for each in ODD_IDS]
    assert client.post("/api/items/bulk", json={"items": rows}).json()["failed"] == 0
    active = set(ODD_IDS)
    for each in ODD_IDS:
        assert client.get(path_of(each)).json()["id"] == each
        assert client.patch(path_of(each), json={"isActive": False}).json()["id"] == each
        active.remove(each)
        assert {name for name, is_active in catalogue(client).items() if is_active} == active
        replaced = client.put(f"{path_of(each)}/", json={"metadata": {}, "isActive": False})
        assert (replaced.json()["id"], replaced.json()["metadata"]) == (each, {})
    left = set(ODD_IDS)
    for each in ODD_IDS:
        assert client.delete(path_of(each)).status_code == 204
        assert is_problem(client.get(path_of(each)), 404)
        left.remove(each)
        assert set(catalogue(client)) == left


def test_a_slash_that_is_encoded_is_no_optional_one(tenant: Tenant) -> None:
    client = tenant.key_client
    client.post("/api/items", json={"id": "x", "metadata": {"n": 1}}).raise_for_status()
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        body = {"metadata": {"n": 2}}
        assert is_problem(client.request(method, "/api/items/x%2F", json=body), 404)
    assert client.get("/api/items/x/").json()["metadata"] == {"n": 1}
    for path in ("/api/items//x", "/api/items/x//", "/api//items", "/api/items%2Fx"):
        assert is_problem(client.get(path), 404)


def test_dots_are_resolved_by_nobody(stack: RunningStack, tenant: Tenant) -> None:
    """Sent as they are: a client of ours would resolve them."""
    with closing(HTTPConnection("127.0.0.1", stack.port, timeout=30)) as connection:
        for path in ("/api/items/..", "/api/items/.", "/api/items/%2E%2e", "/api/items/../items"):
            connection.request("GET", path, headers={"X-API-Key": tenant.api_key})
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["status"]) == (400, 400)


def recommended_to(client: httpx.Client, user_id: str) -> set[str]:
    """Return what a user of one item is recommended, or nothing while that item is among it."""
    answer = client.post("/api/v1/recommend", json={"userId": user_id, "count": 100})
    found = {str(row["itemId"]) for row in answer.raise_for_status().json()}
    return set() if user_id in found else found


def test_odd_ids_are_recommended_and_asked_about(tenant: Tenant) -> None:
    client = tenant.key_client
    batch = [{"userId": each, "itemId": each, "interactionType": "like"} for each in ODD_IDS]
    sent = client.post("/api/v1/interactions/batch", json={"interactions": batch})
    assert sent.status_code == 201
    assert set(catalogue(client)) == set(ODD_IDS)
    for each in ("x/", "../x", "%2F", "x" * 256):
        assert until(partial(recommended_to, client, each)) <= set(ODD_IDS)


def test_what_is_no_id_is_refused_at_every_door(tenant: Tenant) -> None:
    client = tenant.key_client
    for text in NO_IDS:
        view = {"userId": "u", "itemId": text, "interactionType": "view"}
        for path, body in (
            ("/api/items", {"id": text, "metadata": {}}),
            ("/api/items/bulk", {"items": [{"id": text, "metadata": {}}]}),
            ("/api/v1/interactions", view),
            ("/api/v1/interactions/batch", {"interactions": [view]}),
            ("/api/v1/recommend", {"userId": text, "count": 1}),
            ("/api/v1/similar", {"itemId": text, "count": 1}),
        ):
            assert is_problem(client.post(path, json=body), 400), (path, text)
    assert catalogue(client) == {}


def test_ids_beyond_64_bits_are_trained_on_and_recommended_as_they_are(tenant: Tenant) -> None:
    users = [str(2**64 + n) for n in range(8)]
    items = [*(str(2**70 + n) for n in range(4)), "1.10", "1.1", "007", "1e5"]
    rows = [
        {"user_id": user, "item_id": item, "timestamp": 1_768_000_000 + n}
        for n, user in enumerate(users)
        for item in items[n % 5 :][:4]
    ]
    content = "\n".join(json.dumps(_as_numbers(row)) for row in rows)
    model = trained(
        tenant, configuration=configured(tenant), data=uploaded(tenant, content, name="a.ndjson")
    )
    told = []
    for user in users:
        path = f"/api/v1/trained_model/{model}/recommendation/?user_id={user}&cutoff=8"
        answer = until(partial(recommendation, tenant.client, path))
        told += [row["item_id"] for row in answer]
        seen = {row["item_id"] for row in rows if row["user_id"] == user}
        assert {row["item_id"] for row in answer} == set(items) - seen
    assert set(told) == set(items)


def _as_numbers(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as somebody writes it who has numbers for ids."""
    return {
        name: int(value) if str(value).isdecimal() and len(str(value)) > 3 else value
        for name, value in row.items()
    }


def recommendation(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    answer = client.get(path)
    rows: list[dict[str, Any]] = answer.json() if answer.status_code == 200 else []
    return rows
