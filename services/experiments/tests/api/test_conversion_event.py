"""`/api/v1/conversion_event`: who may tell, what is kept, and that it is kept once."""

import asyncio
from typing import Any

import httpx
import pytest

from chassis.testing import Bench, FrozenClock, key_of
from chassis.testing.ids import NO_IDS, ODD_IDS
from contracts.conversions import ConversionRecorded
from experiments.tests.world import a_slot

PATH = "/api/v1/conversion_event/"
REQUEST = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture
async def body(admin: httpx.AsyncClient) -> dict[str, Any]:
    """A click on what a slot of project 1 has shown."""
    slot = await a_slot(admin)
    return {"project": 1, "deployment_slot": slot["id"], "user_id": "u", "event_type": "click"}


async def test_an_anonymous_caller_is_refused(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.post(PATH, json={})).status_code == 401
    assert (await anonymous.post(f"{PATH}batch/", json={"events": []})).status_code == 401
    assert (await anonymous.get(PATH)).status_code == 401


async def test_another_tenants_conversions_do_not_exist(
    admin: httpx.AsyncClient, stranger: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    told = (await admin.post(PATH, json=body)).json()
    assert (await stranger.get(PATH)).json()["count"] == 0
    assert (await stranger.get(f"{PATH}{told['id']}/")).status_code == 404


async def test_a_foreign_id_in_the_body_looks_like_an_absent_one(
    bench: Bench, admin: httpx.AsyncClient, stranger: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    foreign = await a_slot(stranger, project=9, trained_model=91)
    for slot in (foreign["id"], 9999):
        answer = await admin.post(PATH, json=body | {"deployment_slot": slot})
        assert answer.status_code == 400
        expected = [f'Invalid pk "{slot}" - object does not exist.']
        assert answer.json()["deployment_slot"] == expected
    for project in (9, 9999):
        answer = await admin.post(PATH, json=body | {"project": project})
        assert answer.status_code == 400
        assert answer.json()["project"] == [f'Invalid pk "{project}" - object does not exist.']
    assert await bench.emitted(ConversionRecorded) == []


async def test_an_own_slot_of_another_project_is_forbidden(
    admin: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    answer = await admin.post(PATH, json=body | {"project": 2})
    assert answer.status_code == 403
    assert answer.json()["detail"] == "Deployment slot does not belong to the specified project"


async def test_a_key_of_another_project_is_forbidden(bench: Bench, body: dict[str, Any]) -> None:
    async with bench.as_caller(key_of("predict", project=2)) as key:
        answer = await key.post(PATH, json=body)
    assert answer.status_code == 403
    assert answer.json()["detail"] == "API key not authorized for this project"


@pytest.mark.parametrize(
    ("scope", "tells", "reads"), [("read", 403, 200), ("write", 201, 403), ("predict", 201, 200)]
)
async def test_scopes_of_keys(
    bench: Bench, body: dict[str, Any], scope: str, tells: int, reads: int
) -> None:
    async with bench.as_caller(key_of(scope)) as key:
        assert (await key.post(PATH, json=body)).status_code == tells
        assert (await key.post(f"{PATH}batch/", json={"events": [body]})).status_code == tells
        assert (await key.get(PATH)).status_code == reads


async def test_a_conversion_is_answered_kept_and_announced(
    bench: Bench, admin: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    said = body | {
        "item_id": "i",
        "recommendation_request_id": REQUEST.upper(),
        "metadata_json": [1, {"a": None}],
        "timestamp": "2001-01-01T00:00:00Z",
    }
    answer = await admin.post(PATH, json=said)
    assert answer.status_code == 201
    told = answer.json()
    assert told == body | {
        "id": told["id"],
        "item_id": "i",
        "recommendation_request_id": REQUEST,
        "timestamp": "2026-01-15T10:30:00Z",
        "metadata_json": [1, {"a": None}],
        "eventId": told["eventId"],
    }
    assert (await admin.get(f"{PATH}{told['id']}/")).json() == told
    [event] = await bench.emitted(ConversionRecorded)
    assert (event.event_id, event.conversion_id) == (told["eventId"], told["id"])
    assert (event.source, event.centiunits, event.request_id) == ("http", 100, REQUEST)


@pytest.mark.parametrize(
    ("change", "member", "message"),
    [
        ({"user_id": ""}, "user_id", "This field may not be blank."),
        ({"user_id": None}, "user_id", "This field may not be null."),
        (
            {"user_id": "u" * 257},
            "user_id",
            "Ensure this field has no more than 256 characters.",
        ),
        ({"event_type": "view"}, "event_type", '"view" is not a valid choice.'),
        ({"recommendation_request_id": "x"}, "recommendation_request_id", "Must be a valid UUID."),
        ({"user_id": "a\x00b"}, "user_id", "Null characters are not allowed."),
        ({"metadata_json": "\x00"}, "metadata_json", "Null characters are not allowed."),
        ({"project": 2**63}, "project", None),
        ({"eventId": ""}, "eventId", "This field may not be blank."),
    ],
)
async def test_a_bad_value_is_refused(
    bench: Bench,
    admin: httpx.AsyncClient,
    body: dict[str, Any],
    change: dict[str, Any],
    member: str,
    message: str | None,
) -> None:
    answer = await admin.post(PATH, json=body | change)
    assert answer.status_code == 400
    assert answer.json()[member] == ([message] if message else answer.json()[member])
    assert await bench.emitted(ConversionRecorded) == []


async def test_the_same_id_and_body_is_the_same_event(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock, body: dict[str, Any]
) -> None:
    first = await admin.post(PATH, json=body | {"eventId": "e1"})
    clock.advance(minutes=5)
    again = await admin.post(PATH, json=body | {"eventId": "e1"})
    by_header = await admin.post(PATH, json=body, headers={"Idempotency-Key": "e1"})
    assert [a.status_code for a in (first, again, by_header)] == [201, 201, 201]
    assert first.json() == again.json() == by_header.json()
    assert len(await bench.emitted(ConversionRecorded)) == 1


@pytest.mark.parametrize(
    "change", [{"event_type": "purchase"}, {"metadata_json": {"a": 1}}, {"item_id": "other"}]
)
async def test_the_same_id_with_another_body_is_a_conflict(
    bench: Bench, admin: httpx.AsyncClient, body: dict[str, Any], change: dict[str, Any]
) -> None:
    await admin.post(PATH, json=body | {"eventId": "e1"})
    answer = await admin.post(PATH, json=body | change | {"eventId": "e1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    assert len(await bench.emitted(ConversionRecorded)) == 1


async def test_an_id_is_the_tenants_own(
    admin: httpx.AsyncClient, stranger: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    foreign = await a_slot(stranger, project=9, trained_model=91)
    theirs = body | {"project": 9, "deployment_slot": foreign["id"], "eventId": "e1"}
    assert (await admin.post(PATH, json=body | {"eventId": "e1"})).status_code == 201
    assert (await stranger.post(PATH, json=theirs)).status_code == 201


async def test_reports_that_wait_together_are_each_answered_for_themselves(
    bench: Bench, admin: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    bodies = [body | {"eventId": f"e{n % 7}", "user_id": f"u{n % 7}"} for n in range(40)]
    bodies[11] |= {"deployment_slot": 9999}
    answers = await asyncio.gather(*[admin.post(PATH, json=each) for each in bodies])
    statuses = [answer.status_code for answer in answers]
    assert statuses == [400 if n == 11 else 201 for n in range(40)]
    ids = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(ids) == len(await bench.emitted(ConversionRecorded)) == 7


async def test_tenants_that_wait_together_are_kept_apart(
    admin: httpx.AsyncClient, stranger: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    foreign = await a_slot(stranger, project=9, trained_model=91)
    theirs = body | {"project": 9, "deployment_slot": foreign["id"]}
    answers = await asyncio.gather(
        *[
            client.post(PATH, json=said | {"eventId": f"e{number}"})
            for number in range(5)
            for client, said in ((admin, body), (stranger, theirs), (stranger, body))
        ]
    )
    assert [answer.status_code for answer in answers] == [201, 201, 400] * 5
    for client, project in ((admin, 1), (stranger, 9)):
        rows = (await client.get(PATH)).json()["results"]
        assert [row["project"] for row in rows] == [project] * 5


async def test_an_id_reads_the_same_in_a_header_and_a_body(
    admin: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    by_header = await admin.post(PATH, json=body, headers={b"Idempotency-Key": "é".encode()})
    in_body = await admin.post(PATH, json=body | {"eventId": "é"})
    assert by_header.json() == in_body.json()
    for wrong in (b"\xff", b"x" * 129, b"a\tb"):
        answer = await admin.post(PATH, json=body, headers={b"Idempotency-Key": wrong})
        assert answer.status_code == 400


async def test_a_header_that_contradicts_the_member_is_refused(
    admin: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    key = {"Idempotency-Key": "e2"}
    answer = await admin.post(PATH, json=body | {"eventId": "e1"}, headers=key)
    assert (answer.status_code, "eventId" in answer.json()) == (400, True)


async def test_events_do_not_change(admin: httpx.AsyncClient, body: dict[str, Any]) -> None:
    told = (await admin.post(PATH, json=body)).json()
    for method in ("PUT", "PATCH", "DELETE"):
        answer = await admin.request(method, f"{PATH}{told['id']}/", json=body)
        assert answer.status_code == 405
    assert (await admin.get(f"{PATH}{told['id']}/")).json() == told


async def test_lists_are_filtered_and_newest_first(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock, body: dict[str, Any]
) -> None:
    other = await a_slot(admin, project=2, trained_model=21)
    click = (await admin.post(PATH, json=body)).json()["id"]
    clock.advance(seconds=1)
    said = body | {"project": 2, "deployment_slot": other["id"], "event_type": "purchase"}
    purchase = (await admin.post(PATH, json=said)).json()["id"]

    async def ids(query: str) -> list[int]:
        return [row["id"] for row in (await admin.get(f"{PATH}?{query}")).json()["results"]]

    assert await ids("") == [purchase, click]
    assert await ids("event_type=click") == await ids("project=1") == [click]
    assert await ids(f"deployment_slot={other['id']}") == [purchase]
    assert (await admin.get(f"{PATH}?event_type=view")).status_code == 400
    async with bench.as_caller(key_of("read", project=1)) as key:
        assert [row["id"] for row in (await key.get(PATH)).json()["results"]] == [click]
        assert (await key.get(f"{PATH}{purchase}/")).status_code == 404


async def test_an_empty_batch_creates_nothing(admin: httpx.AsyncClient) -> None:
    answer = await admin.post(f"{PATH}batch/", json={"events": []})
    assert answer.status_code == 201
    assert answer.json() == {"created": 0, "duplicates": 0, "results": []}


async def test_a_batch_is_kept_whole_and_once(
    bench: Bench, admin: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    events = [body | {"eventId": "e1"}, body, body | {"eventId": "e1"}]
    answer = await admin.post(f"{PATH}batch/", json={"events": events})
    assert answer.status_code == 201
    found = answer.json()
    assert (found["created"], found["duplicates"]) == (2, 1)
    assert [each["duplicate"] for each in found["results"]] == [False, False, True]
    assert found["results"][0]["eventId"] == "e1"
    assert found["results"][0]["id"] == found["results"][2]["id"]
    assert [e.centiunits for e in await bench.emitted(ConversionRecorded)] == [1, 1]


async def test_a_batch_under_a_key_repeats_as_a_whole(
    bench: Bench, admin: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    key = {"Idempotency-Key": "batch 1"}
    sent = {"events": [body, body | {"user_id": "v"}]}
    first = await admin.post(f"{PATH}batch/", json=sent, headers=key)
    again = await admin.post(f"{PATH}batch/", json=sent, headers=key)
    assert (first.json()["created"], again.json()["created"]) == (2, 0)
    assert [r["id"] for r in first.json()["results"]] == [r["id"] for r in again.json()["results"]]
    other = await admin.post(
        f"{PATH}batch/", json={"events": [body | {"user_id": "w"}]}, headers=key
    )
    assert other.status_code == 409
    assert len(await bench.emitted(ConversionRecorded)) == 2


async def test_one_bad_event_refuses_the_batch_and_is_pointed_at(
    bench: Bench, admin: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    lame = {name: value for name, value in body.items() if name != "project"}
    answer = await admin.post(f"{PATH}batch/", json={"events": [body, lame, 5]})
    assert answer.status_code == 400
    events = answer.json()["events"]
    assert events[:2] == [{}, {"project": ["This field is required."]}]
    assert list(events[2]) == ["non_field_errors"]
    answer = await admin.post(
        f"{PATH}batch/", json={"events": [body, body | {"deployment_slot": 9999}]}
    )
    assert answer.status_code == 400
    assert answer.json()["events"] == [
        {},
        {"deployment_slot": ['Invalid pk "9999" - object does not exist.']},
    ]
    assert answer.json()["errors"][0]["field"] == "events.1.deployment_slot"
    assert await bench.emitted(ConversionRecorded) == []
    assert (await admin.get(PATH)).json()["count"] == 0


@pytest.mark.parametrize("sent", [{}, {"events": None}, {"events": {}}, []])
async def test_a_batch_needs_a_list(admin: httpx.AsyncClient, sent: object) -> None:
    answer = await admin.post(f"{PATH}batch/", json=sent)
    assert answer.status_code == 400
    if sent == {}:
        assert answer.json()["events"] == ["This field is required."]


async def test_a_batch_holds_a_thousand_events(
    bench: Bench, admin: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    answer = await admin.post(f"{PATH}batch/", json={"events": [body] * 1001})
    assert answer.status_code == 400
    answer = await admin.post(f"{PATH}batch/", json={"events": [body] * 1000})
    assert answer.json()["created"] == 1000
    assert len(await bench.emitted(ConversionRecorded)) == 1000


@pytest.mark.parametrize("member", ["user_id", "item_id", "eventId"])
async def test_what_is_no_id_is_refused_alone_and_in_a_batch(
    bench: Bench, admin: httpx.AsyncClient, body: dict[str, Any], member: str
) -> None:
    # Nothing at all is no item.
    for text in NO_IDS[1:] if member == "item_id" else NO_IDS:
        sent = body | {member: text}
        single = await admin.post(PATH, json=sent)
        batch = await admin.post(f"{PATH}batch/", json={"events": [sent]})
        assert (single.status_code, batch.status_code) == (400, 400), ascii(text)
        assert member in single.json()
    assert await bench.emitted(ConversionRecorded) == []


async def test_every_id_is_kept_as_it_is_written(
    bench: Bench, admin: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    events = [body | {"user_id": each, "item_id": each} for each in ODD_IDS]
    assert (await admin.post(f"{PATH}batch/", json={"events": events})).status_code == 201
    heard = await bench.emitted(ConversionRecorded)
    assert [(each.user_id, each.item_id) for each in heard] == [(each, each) for each in ODD_IDS]
