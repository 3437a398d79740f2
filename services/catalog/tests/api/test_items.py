"""The catalogue: searched, changed with rising revisions, and nobody else's."""

import json
from typing import Any
from unittest.mock import ANY
from urllib.parse import quote

import pytest

from chassis.testing import ADMIN, STRANGER, Bench, key_of
from chassis.testing.ids import NO_IDS, ODD_IDS
from contracts.catalog import ItemChanged, ItemDeleted

PATH = "/api/items"
LAMP = {"id": "lamp", "metadata": {"title": "Red Lamp", "price": 9.5, "tags": ["home", "Light"]}}


async def add(bench: Bench, body: Any, path: str = PATH, caller: Any = ADMIN) -> Any:
    async with bench.as_caller(caller) as client:
        return await client.post(path, json=body)


async def listed(bench: Bench, **params: Any) -> list[str]:
    async with bench.as_caller(key_of("read")) as client:
        body = (await client.get(PATH, params=params)).json()
    assert {"data", "total", "page", "pageSize"} <= body.keys()
    return [item["id"] for item in body["data"]]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", PATH), ("POST", PATH), ("POST", f"{PATH}/bulk"), ("GET", f"{PATH}/lamp")],
)
async def test_an_anonymous_caller_is_refused(bench: Bench, method: str, path: str) -> None:
    async with bench.as_caller(None) as client:
        assert (await client.request(method, path)).status_code == 401


async def test_another_tenants_item_does_not_exist(bench: Bench) -> None:
    await add(bench, LAMP)
    async with bench.as_caller(STRANGER) as client:
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            answer = await client.request(method, f"{PATH}/lamp", json={"metadata": {}})
            assert answer.status_code == 404
        assert (await client.get(PATH)).json()["total"] == 0
        assert (await client.post(PATH, json=LAMP)).status_code == 201


async def test_scopes_divide_reading_from_writing(bench: Bench) -> None:
    assert (await add(bench, LAMP, caller=key_of("read"))).status_code == 403
    async with bench.as_caller(key_of("write")) as client:
        assert (await client.get(PATH)).status_code == 403


async def test_a_key_of_any_project_serves_the_whole_catalogue(bench: Bench) -> None:
    assert (await add(bench, LAMP, caller=key_of("write", project=99))).status_code == 201
    assert await listed(bench) == ["lamp"]


async def test_an_item_is_kept_and_announced(bench: Bench) -> None:
    answer = await add(bench, LAMP)
    assert answer.status_code == 201
    body = answer.json()
    assert (body["id"], body["itemId"], body["tenantId"]) == ("lamp", "lamp", ADMIN.tenant_id)
    assert body["metadata"] == LAMP["metadata"]
    assert body["isActive"] is True
    assert body["createdAt"] == body["updatedAt"]
    [changed] = await bench.emitted(ItemChanged)
    assert (changed.item_id, changed.revision) == ("lamp", body["revision"])


async def test_an_item_without_an_id_gets_one(bench: Bench) -> None:
    body = (await add(bench, {"metadata": {}})).json()
    assert await listed(bench) == [body["id"]]


async def test_an_id_is_taken_once_but_a_bare_item_is_filled_in(bench: Bench) -> None:
    seen = {"userId": "u", "itemId": "lamp", "interactionType": "view"}
    await add(bench, seen, "/api/v1/interactions")
    assert (await add(bench, LAMP)).status_code == 201
    again = await add(bench, LAMP)
    assert (again.status_code, again.json()["code"]) == (409, "CONFLICT")
    assert len(await bench.emitted(ItemChanged)) == 2


async def test_items_are_found_by_all_words_of_a_search(bench: Bench) -> None:
    await add(bench, LAMP)
    await add(bench, {"id": "chair", "metadata": {"title": "Red 100% Chair_1"}})
    assert await listed(bench, search="red") == ["lamp", "chair"]
    assert await listed(bench, search="LAMP red") == ["lamp"]
    assert await listed(bench, search="light") == ["lamp"]
    assert await listed(bench, search="9.5") == ["lamp"]
    assert await listed(bench, search="100%") == ["chair"]
    assert await listed(bench, search="r%d") == []
    assert await listed(bench, search="price") == []


async def test_lists_are_paged(bench: Bench) -> None:
    for n in range(3):
        await add(bench, {"id": f"i{n}", "metadata": {}})
    assert await listed(bench, page=2, pageSize=2) == ["i2"]
    async with bench.as_caller(ADMIN) as client:
        over = await client.get(PATH, params={"pageSize": 101})
    assert over.status_code == 400


async def test_changes_raise_the_revision(bench: Bench) -> None:
    await add(bench, LAMP)
    async with bench.as_caller(ADMIN) as client:
        patched = (await client.patch(f"{PATH}/lamp", json={"isActive": False})).json()
        replaced = (await client.put(f"{PATH}/lamp", json={"metadata": {"a": 1}})).json()
        await client.delete(f"{PATH}/lamp")
        assert (await client.get(f"{PATH}/lamp")).status_code == 404
    assert (patched["isActive"], patched["metadata"]) == (False, LAMP["metadata"])
    assert (replaced["isActive"], replaced["metadata"]) == (True, {"a": 1})
    await add(bench, LAMP)
    revisions = [
        event.revision
        for event in await bench.emitted()
        if isinstance(event, ItemChanged | ItemDeleted)
    ]
    assert len(revisions) == 5
    assert revisions == sorted(set(revisions))


async def test_the_rows_of_a_bulk_stand_for_themselves(bench: Bench) -> None:
    await add(bench, LAMP)
    rows = [{"id": "a", "metadata": {}}, LAMP, {"id": 7}, {"id": "a", "metadata": {}}, "x"]
    answer = await add(bench, {"items": rows}, f"{PATH}/bulk")
    assert answer.status_code == 201
    body = answer.json()
    assert (body["created"], body["failed"]) == (1, 4)
    assert [row["status"] for row in body["results"]] == ["created"] + ["failed"] * 4
    assert [row["code"] for row in body["results"][1:]] == [
        "CONFLICT",
        "VALIDATION_ERROR",
        "CONFLICT",
        "VALIDATION_ERROR",
    ]
    assert body["results"][2]["errors"]["id"] == ["Not a valid string."]


async def test_a_bulk_of_which_nothing_is_kept_is_refused(bench: Bench) -> None:
    answer = await add(bench, {"items": [{"id": "a\x01", "metadata": {}}]}, f"{PATH}/bulk")
    assert answer.status_code == 400
    assert "items.0.id" in answer.json()
    over = await add(bench, {"items": [{"metadata": {}}] * 1001}, f"{PATH}/bulk")
    assert over.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"metadata": None},
        {"metadata": []},
        {"metadata": {"n": 2**70}},
        {"metadata": {"text": "x" * 70_000}},
        {"metadata": {}, "id": ""},
        {"metadata": {}, "id": "x" * 257},
        {"metadata": {}, "isActive": "yes"},
    ],
)
async def test_bad_items_are_refused(bench: Bench, body: Any) -> None:
    assert (await add(bench, body)).status_code == 400
    assert await listed(bench) == []


async def test_ids_are_the_tenants_own_strings(bench: Bench) -> None:
    await add(bench, {"id": "a/b ü?", "metadata": {}})
    async with bench.as_caller(ADMIN) as client:
        found = await client.get(f"{PATH}/a%2Fb%20%C3%BC%3F")
        none = await client.get(f"{PATH}/%00")
    assert (found.status_code, found.json()["id"]) == (200, "a/b ü?")
    assert none.status_code == 404


def path_of(item_id: str) -> str:
    return f"{PATH}/{quote(item_id, safe='')}"


async def test_every_id_is_reached_by_its_own_path(bench: Bench) -> None:
    """Each is changed and deleted alone, however its path is read on the way."""
    rows = [{"id": each, "metadata": {"n": n}} for n, each in enumerate(ODD_IDS)]
    assert (await add(bench, {"items": rows}, f"{PATH}/bulk")).json()["created"] == len(rows)
    async with bench.as_caller(ADMIN) as client:
        for n, each in enumerate(ODD_IDS):
            path = path_of(each)
            patched = await client.patch(path, json={"isActive": False})
            replaced = await client.put(path, json={"metadata": {"n": n, "seen": True}})
            found = (await client.get(f"{path}/")).json()
            assert (patched.status_code, replaced.status_code) == (200, 200), each
            assert (found["id"], found["metadata"]) == (each, {"n": n, "seen": True})
        for n, each in enumerate(ODD_IDS, start=1):
            assert (await client.delete(path_of(each))).status_code == 204
            assert (await client.get(path_of(each))).status_code == 404
            assert (await client.get(PATH)).json()["total"] == len(ODD_IDS) - n


async def test_a_slash_that_is_encoded_belongs_to_the_id(bench: Bench) -> None:
    await add(bench, {"id": "x", "metadata": {}})
    async with bench.as_caller(ADMIN) as client:
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            answer = await client.request(method, f"{PATH}/x%2F", json={"metadata": {"a": 1}})
            assert answer.status_code == 404
        assert (await client.get(f"{PATH}/x/")).json()["metadata"] == {}


@pytest.mark.parametrize("item_id", NO_IDS, ids=ascii)
async def test_what_is_no_id_names_no_item(bench: Bench, item_id: str) -> None:
    bulk = await add(bench, {"items": [{"id": item_id, "metadata": {}}]}, f"{PATH}/bulk")
    single = await add(bench, {"id": item_id, "metadata": {}})
    assert (bulk.status_code, single.status_code) == (400, 400)
    assert "items.0.id" in bulk.json()
    assert "id" in single.json()
    assert await listed(bench) == []


async def test_numbers_keep_each_digit_or_are_refused(bench: Bench) -> None:
    kept = '{"gtin": 9223372036854775807, "less": -9223372036854775807, "a": 0.1, "b": -0.0}'
    async with bench.as_caller(ADMIN) as client:
        headers = {"content-type": "application/json"}
        made = await client.post(PATH, content=f'{{"metadata": {kept}}}', headers=headers)
        found = await client.get(f"{PATH}/{made.json()['id']}")
        assert json.dumps(found.json()["metadata"]) == kept
        for number in ("9223372036854775808", "1" * 25, "-9223372036854775809", "1e400"):
            body = f'{{"metadata": {{"n": [{number}]}}}}'
            answer = await client.post(PATH, content=body, headers=headers)
            assert (answer.status_code, list(answer.json()["metadata"])) == (400, [ANY])
        assert (await client.get(PATH)).json()["total"] == 1
