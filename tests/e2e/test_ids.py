"""Ids travel through the real gateway and real servers, whatever stands in them."""

import json
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from urllib.parse import quote

import httpx

from chassis.testing.ids import NO_IDS, ODD_IDS
from tests.e2e.conftest import Tenant
from tests.e2e.journey import is_problem
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


def recommended_to(client: httpx.Client, user_id: str) -> list[dict[str, object]]:
    answer = client.post("/api/v1/recommend", json={"userId": user_id, "count": 100})
    rows: list[dict[str, object]] = answer.raise_for_status().json()
    return rows


def test_odd_ids_are_recommended_and_asked_about(tenant: Tenant) -> None:
    client = tenant.key_client
    batch = [{"userId": each, "itemId": each, "interactionType": "like"} for each in ODD_IDS]
    sent = client.post("/api/v1/interactions/batch", json={"interactions": batch})
    assert sent.status_code == 201
    assert set(catalogue(client)) == set(ODD_IDS)
    for each in ("x/", "../x", "%2F", "x" * 256):
        rows = until(partial(recommended_to, client, each))
        assert {row["itemId"] for row in rows} <= set(ODD_IDS) - {each}


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
