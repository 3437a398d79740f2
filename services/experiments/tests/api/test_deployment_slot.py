"""`/api/v1/deployment_slot` as Recotem's clients know it."""

import asyncio

import httpx
import pytest
from sqlalchemy import update

from chassis.testing import MEMBER, TENANT, Bench, key_of
from contracts.slots import AbTestChanged, SlotChanged, SlotDeleted
from experiments.store.tables import AbTestRow
from experiments.tests.world import a_running_test, a_slot, a_test, model

PATH = "/api/v1/deployment_slot/"
BODY = {"project": 1, "name": "slot", "trained_model": 11}


async def test_an_anonymous_caller_is_refused(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get(PATH)).status_code == 401
    assert (await anonymous.post(PATH, json=BODY)).status_code == 401


async def test_another_tenants_slots_do_not_exist(
    admin: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    slot = await a_slot(admin)
    assert (await stranger.get(PATH)).json()["count"] == 0
    one = f"{PATH}{slot['id']}/"
    assert (await stranger.get(one)).status_code == 404
    assert (await stranger.patch(one, json={"weight": 1})).status_code == 404
    assert (await stranger.put(one, json=BODY)).status_code == 404
    assert (await stranger.delete(one)).status_code == 404
    assert (await admin.get(one)).json() == slot


@pytest.mark.parametrize(
    ("member", "foreign", "absent"), [("project", 9, 9999), ("trained_model", 91, 9999)]
)
async def test_a_foreign_reference_looks_like_an_absent_one(
    admin: httpx.AsyncClient, member: str, foreign: int, absent: int
) -> None:
    answers = [await admin.post(PATH, json=BODY | {member: to}) for to in (foreign, absent)]
    for answer, to in zip(answers, (foreign, absent), strict=True):
        assert answer.status_code == 400
        assert answer.json()[member] == [f'Invalid pk "{to}" - object does not exist.']
    assert (await admin.get(PATH)).json()["count"] == 0


async def test_a_new_slot_has_recotems_members_and_is_announced(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    slot = await a_slot(admin, name="production")
    assert slot == {
        "id": slot["id"],
        "project": 1,
        "name": "production",
        "trained_model": 11,
        "weight": 100.0,
        "is_active": True,
        "applies_after_ab_test": None,
        "ins_datetime": "2026-01-15T10:30:00Z",
        "updated_at": "2026-01-15T10:30:00Z",
    }
    [event] = await bench.emitted(SlotChanged)
    assert (event.slot_id, event.model_id, event.weight, event.revision) == (slot["id"], 11, 100, 1)


@pytest.mark.parametrize(
    ("change", "member", "message"),
    [
        ({"weight": 100.5}, "weight", "Ensure this value is less than or equal to 100.0."),
        ({"weight": -1}, "weight", "Ensure this value is greater than or equal to 0.0."),
        ({"weight": None}, "weight", "This field may not be null."),
        ({"name": ""}, "name", "This field may not be blank."),
        ({"name": None}, "name", "This field may not be null."),
        ({"project": "x"}, "project", "A valid integer is required."),
        (
            {"trained_model": 21},
            "trained_model",
            "Trained model does not belong to this project.",
        ),
    ],
)
async def test_a_bad_value_is_refused_in_recotems_words(
    bench: Bench, admin: httpx.AsyncClient, change: dict[str, object], member: str, message: str
) -> None:
    answer = await admin.post(PATH, json=BODY | change)
    assert answer.status_code == 400
    assert answer.json()[member] == [message]
    assert await bench.emitted() == []


async def test_a_model_of_the_whole_tenant_fits_no_slot(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    await bench.deliver(model(5, None, algorithm="hybrid"))
    answer = await admin.post(PATH, json=BODY | {"trained_model": 5})
    assert answer.json()["trained_model"] == ["Trained model does not belong to this project."]


async def test_missing_members_are_named(admin: httpx.AsyncClient) -> None:
    answer = await admin.post(PATH, json={})
    assert answer.status_code == 400
    for member in ("project", "name", "trained_model"):
        assert answer.json()[member] == ["This field is required."]


async def test_a_model_that_is_announced_while_we_wait_is_accepted(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    bench.app.state.patience = 30.0
    waiting = asyncio.create_task(admin.post(PATH, json=BODY | {"trained_model": 13}))
    await asyncio.sleep(0)
    await bench.deliver(model(13, 1))
    assert (await waiting).status_code == 201


async def test_each_change_has_a_higher_revision(bench: Bench, admin: httpx.AsyncClient) -> None:
    slot = await a_slot(admin)
    one = f"{PATH}{slot['id']}/"
    assert (await admin.patch(one, json={"weight": 30})).json()["weight"] == 30.0
    replaced = await admin.put(one, json=BODY | {"name": "other", "is_active": False})
    assert replaced.json()["weight"] == 100.0
    assert replaced.json()["is_active"] is False
    events = await bench.emitted(SlotChanged)
    assert [(e.revision, e.weight, e.is_active) for e in events] == [
        (1, 100, True),
        (2, 30, True),
        (3, 100, False),
    ]


async def test_put_needs_all_required_members(admin: httpx.AsyncClient) -> None:
    slot = await a_slot(admin)
    answer = await admin.put(f"{PATH}{slot['id']}/", json={"weight": 1})
    assert answer.status_code == 400
    assert answer.json()["name"] == ["This field is required."]


async def test_a_changed_model_must_be_of_the_project(admin: httpx.AsyncClient) -> None:
    slot = await a_slot(admin)
    answer = await admin.patch(f"{PATH}{slot['id']}/", json={"trained_model": 21})
    assert answer.status_code == 400
    assert (await admin.get(f"{PATH}{slot['id']}/")).json() == slot


async def test_a_slot_of_a_test_stays_in_its_project(admin: httpx.AsyncClient) -> None:
    test = await a_test(admin)
    one = f"{PATH}{test['control_slot']}/"
    answer = await admin.patch(one, json={"project": 2, "trained_model": 21})
    assert answer.status_code == 400
    assert answer.json()["project"] == ["A slot of an A/B test stays in its project."]


async def test_lists_are_filtered_and_newest_first(admin: httpx.AsyncClient) -> None:
    first = await a_slot(admin)
    second = await a_slot(admin, is_active=False)
    third = await a_slot(admin, project=2, trained_model=21)

    async def ids(query: str) -> list[int]:
        return [row["id"] for row in (await admin.get(f"{PATH}?{query}")).json()["results"]]

    assert await ids("") == [third["id"], second["id"], first["id"]]
    assert await ids("project=1") == [second["id"], first["id"]]
    assert await ids("is_active=true") == [third["id"], first["id"]]
    assert await ids("project=9") == []
    assert (await admin.get(f"{PATH}?project=x")).status_code == 400


async def test_a_weight_changed_in_a_running_test_acts_after_it_and_says_so(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    test = await a_running_test(admin)
    control, variant = (f"{PATH}{test[arm]}/" for arm in ("control_slot", "variant_slot"))
    changed = (await admin.patch(control, json={"weight": 90})).json()
    assert (changed["weight"], changed["applies_after_ab_test"]) == (90.0, test["id"])
    replaced = await admin.put(variant, json=BODY | {"weight": 10})
    assert replaced.json()["applies_after_ab_test"] == test["id"]
    listed = (await admin.get(PATH)).json()["results"]
    assert {row["applies_after_ab_test"] for row in listed} == {test["id"]}
    [deal] = await bench.emitted(AbTestChanged)
    assert (deal.control_weight, deal.variant_weight) == (100.0, 100.0)
    assert (deal.deal_test_id, deal.control_low, deal.control_high) == (test["id"], 0.0, 0.5)
    await admin.post(f"/api/v1/ab_test/{test['id']}/stop/")
    for path in (control, variant):
        assert (await admin.get(path)).json()["applies_after_ab_test"] is None
    [_start, stop] = await bench.emitted(AbTestChanged)
    assert (stop.running, stop.deal_test_id, stop.control_weight) == (False, None, None)


async def test_what_acts_at_once_in_a_running_test_says_nothing_of_it(
    admin: httpx.AsyncClient,
) -> None:
    test = await a_running_test(admin)
    one = f"{PATH}{test['control_slot']}/"
    for change in ({"name": "x"}, {"is_active": False}, {"trained_model": 12}, {"weight": 100}):
        assert (await admin.patch(one, json=change)).json()["applies_after_ab_test"] is None
    assert (await admin.patch(one, json={"weight": 1})).json()["applies_after_ab_test"] == test[
        "id"
    ]
    assert (await admin.patch(one, json={"name": "y"})).json()["applies_after_ab_test"] == test[
        "id"
    ]
    assert (await admin.patch(one, json={"weight": 100})).json()["applies_after_ab_test"] is None


async def test_a_retrained_model_takes_over_an_arm_without_dealing_anew(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    control = await a_slot(admin, name="auto-deploy-project 1", weight=30)
    test = await a_running_test(admin, control_slot=control["id"])
    await bench.deliver(model(13, 1, deploys_itself=True, deploy_to_slot="auto-deploy-project 1"))
    slot = (await admin.get(f"{PATH}{control['id']}/")).json()
    assert (slot["trained_model"], slot["weight"]) == (13, 100.0)
    assert slot["applies_after_ab_test"] == test["id"]
    [deal] = await bench.emitted(AbTestChanged)
    assert deal.control_weight == 30.0


async def test_a_test_that_an_older_release_started_keeps_what_it_dealt_by(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    test = await a_running_test(admin)
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        unknown = dict.fromkeys(
            ("deal_test_id", "control_weight", "variant_weight", "control_low", "control_high")
        )
        await tx.session.execute(update(AbTestRow).values(**unknown))
    one = f"{PATH}{test['variant_slot']}/"
    assert (await admin.patch(one, json={"weight": 25})).json()["applies_after_ab_test"] == test[
        "id"
    ]
    deal = (await bench.emitted(AbTestChanged))[-1]
    assert (deal.running, deal.revision, deal.deal_test_id) == (True, 2, test["id"])
    assert (deal.control_weight, deal.variant_weight, deal.control_high) == (100.0, 100.0, 0.5)


async def test_deleting_a_slot_deletes_its_tests_and_tells_inference(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    test = await a_running_test(admin)
    answer = await admin.delete(f"{PATH}{test['control_slot']}/")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await admin.get(f"/api/v1/ab_test/{test['id']}/")).status_code == 404
    [gone] = await bench.emitted(SlotDeleted)
    assert (gone.slot_id, gone.revision) == (test["control_slot"], 2)
    assert [(e.running, e.revision) for e in await bench.emitted(AbTestChanged)] == [
        (True, 1),
        (False, 2),
    ]


async def test_scopes_of_keys_follow_the_method(bench: Bench, admin: httpx.AsyncClient) -> None:
    slot = await a_slot(admin)
    async with bench.as_caller(key_of("read")) as reader:
        assert (await reader.get(PATH)).json()["count"] == 1
        assert (await reader.post(PATH, json=BODY)).status_code == 403
        assert (await reader.delete(f"{PATH}{slot['id']}/")).status_code == 403
    async with bench.as_caller(key_of("write")) as writer:
        assert (await writer.post(PATH, json=BODY)).status_code == 201
        assert (await writer.get(PATH)).status_code == 403
    async with bench.as_caller(MEMBER) as member:
        assert (await member.post(PATH, json=BODY)).status_code == 201


async def test_a_key_sees_its_own_project_alone(bench: Bench, admin: httpx.AsyncClient) -> None:
    slot = await a_slot(admin)
    async with bench.as_caller(key_of("read", "write", project=2)) as key:
        assert (await key.get(PATH)).json()["count"] == 0
        assert (await key.get(f"{PATH}?project=1")).json()["count"] == 0
        assert (await key.get(f"{PATH}{slot['id']}/")).status_code == 404
        assert (await key.patch(f"{PATH}{slot['id']}/", json={"weight": 1})).status_code == 404
        answer = await key.post(PATH, json=BODY)
        assert answer.json()["project"] == ['Invalid pk "1" - object does not exist.']


@pytest.mark.parametrize("text", ["0", "x", "-1", "99999999999999999999", "1.5"])
async def test_a_path_that_is_no_id_names_nothing(admin: httpx.AsyncClient, text: str) -> None:
    answer = await admin.get(f"{PATH}{text}/")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
