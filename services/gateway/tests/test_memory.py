"""A change of one person's rights has this person checked again, and nobody else."""

import pytest

from gateway.tests.stage import PASSWORD, Stage
from gateway.tests.test_strangers import Counting

ADA, BOB = "ada@example.com", "bob@example.com"


@pytest.fixture
def asked(stage: Stage) -> Counting:
    counting = Counting(stage.credentials)
    stage.app.state.remembered.checks = counting
    return counting


async def test_who_changes_ones_own_name_has_nobody_else_checked_again(
    stage: Stage, asked: Counting
) -> None:
    ada, bob = await stage.admin(ADA), await stage.admin(BOB)
    key = (await stage.key(bob, "read"))["key"]
    for client in (ada, bob, back_end := stage.client(X_API_Key=key)):
        await client.get("/api/items")
    remembered = stage.app.state.remembered
    before = {id(each) for each in remembered._known.values()}
    assert len(before) == 3
    renamed = await ada.patch("/api/v1/auth/user/", json={"first_name": "Augusta"})
    assert renamed.status_code == 200
    kept = list(remembered._known.values())
    assert {each.identity.caller.kind for each in kept} == {"person", "key"}
    assert len(kept) == 2
    assert {id(each) for each in kept} < before
    count = asked.asked
    for client in (bob, back_end):
        assert (await client.get("/api/items")).status_code == 200
    await ada.get("/api/items")
    assert asked.asked > count


async def test_who_is_kept_out_is_refused_at_once_with_token_and_key(stage: Stage) -> None:
    ada = await stage.admin(ADA)
    person = {"email": BOB, "name": "Bob", "role": "admin", "password": PASSWORD}
    made = (await ada.post("/api/users", json=person)).json()
    bob = stage.client(Authorization=f"Bearer {(await stage.login(BOB))['access']}")
    back_end = stage.client(X_API_Key=(await stage.key(bob, "read"))["key"])
    for client in (bob, back_end):
        assert (await client.get("/api/items")).status_code == 200
    assert (await ada.patch(f"/api/users/{made['id']}/toggle-status")).status_code == 200
    for client in (bob, back_end):
        assert (await client.get("/api/items")).status_code == 401
    assert (await ada.get("/api/items")).status_code == 200


async def test_what_is_forgotten_leaves_no_trace_in_the_memory(stage: Stage) -> None:
    ada = await stage.admin(ADA)
    await ada.get("/api/items")
    memory = stage.app.state.remembered._known
    assert memory._tagged
    assert (await ada.post("/api/v1/auth/logout/")).status_code == 200
    assert not memory._tagged
    assert not memory.values()
