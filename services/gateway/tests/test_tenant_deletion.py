"""The deletion of a tenant: who may, what ends at once, and how its progress is shown."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from chassis.problems import Problem
from contracts.tenants import TenantDeleted, TenantErased, TenantRegistered
from gateway import deletion
from gateway.domain.deletions import SERVICES
from gateway.settings import GatewaySettings
from gateway.tests.stage import OPERATOR_PASSWORD, PASSWORD, Recorder, Stage, play

PATH = "/api/v1/tenant"
STATE = "/api/v1/tenant_deletion"


async def delete_tenant(client: httpx.AsyncClient, password: str = PASSWORD) -> httpx.Response:
    return await client.request("DELETE", PATH, json={"password": password})


async def tenant_of(client: httpx.AsyncClient) -> str:
    me = (await client.get("/api/v1/auth/user")).raise_for_status().json()
    return str(me["tenantId"])


async def with_role(stage: Stage, admin: httpx.AsyncClient, role: str) -> httpx.AsyncClient:
    """Return a client for another person of the tenant."""
    body = {"email": "bob@example.com", "name": "Bob", "role": role, "password": PASSWORD}
    assert (await admin.post("/api/users", json=body)).status_code == 201
    signed_in = await stage.login("bob@example.com")
    return stage.client(Authorization=f"Bearer {signed_in['access']}")


async def shown(stage: Stage, token: str | None) -> httpx.Response:
    headers = {} if token is None else {"Receipt_Token": token}
    return await stage.client(**headers).get(STATE)


async def receipts(stage: Stage, tenant_id: str, *services: str, **erased: int) -> None:
    """Let services say that they hold nothing more of a tenant."""
    at = stage.database.clock()
    for service in services:
        receipt = TenantErased(tenant_id=tenant_id, occurred_at=at, service=service, erased=erased)
        await stage.deliver(receipt)


async def rows_of(stage: Stage, tenant_id: str) -> dict[str, int]:
    """Return how many rows of each table have the tenant's uid."""
    found: dict[str, int] = {}
    async with stage.database.engine.connect() as connection:
        for table in stage.database.metadata.sorted_tables:
            rows = (await connection.execute(select(table))).all()
            count = sum(any(tenant_id in str(value) for value in row) for row in rows)
            if count:
                found[table.name] = count
    return found


async def test_strangers_keys_members_and_wrong_passwords_delete_nothing(stage: Stage) -> None:
    assert (await delete_tenant(stage.client())).status_code == 401
    admin = await stage.admin()
    member = await with_role(stage, admin, "user")
    key = (await stage.key(admin, "read", "write", "predict"))["key"]
    assert (await delete_tenant(stage.client(X_API_Key=key))).status_code == 403
    assert (await delete_tenant(member)).status_code == 403
    wrong = await delete_tenant(admin, "not the password")
    assert wrong.status_code == 400
    assert wrong.json()["password"] == ["The password is incorrect."]
    assert (await admin.request("DELETE", PATH, json={})).status_code == 400
    assert (await admin.request("DELETE", PATH)).status_code == 400
    assert (await admin.get("/api/v1/auth/user")).status_code == 200
    assert await stage.emitted(TenantDeleted) == []


async def test_another_tenant_goes_on(stage: Stage) -> None:
    admin, other = await stage.admin(), await stage.admin("eve@example.com")
    key = (await stage.key(other, "read"))["key"]
    assert (await delete_tenant(admin)).status_code == 202
    await stage.erase_due()
    assert (await other.get("/api/users")).json()["total"] == 1
    assert (await stage.client(X_API_Key=key).get("/api/items")).status_code == 200
    await stage.login("eve@example.com")


async def test_nobody_of_a_deleted_tenant_is_let_in_from_then_on(stage: Stage) -> None:
    admin = await stage.admin()
    member = await with_role(stage, admin, "user")
    key = (await stage.key(admin, "read"))["key"]
    signed_in = await stage.login()
    back_end = stage.client(X_API_Key=key)
    assert (await back_end.get("/api/items")).status_code == 200
    assert (await member.get("/api/v1/auth/user")).status_code == 200
    assert (await delete_tenant(admin)).status_code == 202
    for client in (admin, member, back_end):
        assert (await client.get("/api/v1/auth/user")).status_code == 401
        assert (await client.get("/api/items")).status_code == 401
    for path, body in (
        ("/api/auth/login", {"email": "ada@example.com", "password": PASSWORD}),
        ("/api/v1/auth/token/refresh", {"refresh": signed_in["refresh"]}),
        ("/api/v1/auth/token/verify", {"token": signed_in["access"]}),
    ):
        refused = await stage.client(address="192.0.2.9").post(path, json=body)
        assert refused.status_code == 401, path


async def test_an_invitation_of_a_deleted_tenant_lets_nobody_in(stage: Stage) -> None:
    admin = await stage.admin()
    body = {"email": "bob@example.com", "name": "Bob"}
    invitation = (await admin.post("/api/users", json=body)).json()["invitation"]
    assert (await delete_tenant(admin)).status_code == 202
    accepted = {"invitation": invitation, "password": PASSWORD}
    refused = await stage.client().post("/api/auth/register", json=accepted)
    assert refused.status_code == 401


async def test_the_same_address_registers_a_new_tenant(stage: Stage) -> None:
    admin = await stage.admin()
    before = await tenant_of(admin)
    assert (await delete_tenant(admin)).status_code == 202
    again = await stage.admin()
    assert await tenant_of(again) != before
    await stage.erase_due()
    assert (await again.get("/api/users")).json()["total"] == 1


async def test_nothing_of_it_stays_but_that_it_was_deleted(stage: Stage) -> None:
    admin = await stage.admin()
    await with_role(stage, admin, "user")
    await stage.key(admin, "read")
    tenant_id = await tenant_of(admin)
    assert (await delete_tenant(admin)).status_code == 202
    await stage.erase_due()
    left = await rows_of(stage, tenant_id)
    assert left.keys() == {"deleted_tenant", "tenant_deletion", "outbox"}
    kinds = {type(event) for event in await stage.emitted() if event.tenant_id == tenant_id}
    assert kinds == {TenantDeleted, TenantErased}


async def test_whoever_has_the_token_sees_which_services_have_erased(stage: Stage) -> None:
    admin = await stage.admin()
    tenant_id = await tenant_of(admin)
    begun = (await delete_tenant(admin)).json()
    assert begun["tenant_id"] == tenant_id
    token = begun["receipt_token"]
    found = (await shown(stage, token)).json()
    assert (found["state"], found["missing"]) == ("erasing", sorted(SERVICES))
    await receipts(stage, tenant_id, "catalog", item=3)
    await receipts(stage, tenant_id, "catalog", item=0)  # a repeat changes nothing
    found = (await shown(stage, token)).json()
    assert "catalog" not in found["missing"]
    assert [(each["service"], each["erased"]) for each in found["receipts"]] == [
        ("catalog", {"item": 3})
    ]
    await receipts(stage, tenant_id, *SERVICES)
    found = (await shown(stage, token)).json()
    assert (found["state"], found["missing"]) == ("erased", [])


@pytest.mark.parametrize("token", [None, "", "x", "x" * 256, "\x7f"])
async def test_a_deletion_is_shown_to_nobody_else(stage: Stage, token: str | None) -> None:
    assert (await delete_tenant(await stage.admin())).status_code == 202
    refused = await shown(stage, token)
    assert refused.status_code in {400, 404}
    assert "tenant_id" not in refused.json()


async def test_the_token_is_kept_as_a_hash(stage: Stage) -> None:
    token = (await delete_tenant(await stage.admin())).json()["receipt_token"]
    assert await rows_of(stage, token) == {}


async def test_wrong_passwords_count_as_failed_log_ins(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async with play(tmp_path, keys, recorder, rate_account="3/hour") as stage:
        admin = await stage.admin()
        for _ in range(3):
            assert (await delete_tenant(admin, "wrong password")).status_code == 400
        assert (await delete_tenant(admin)).status_code == 429


async def test_the_operators_tenant_cannot_be_deleted(stage: Stage) -> None:
    body = {"username": "admin", "password": OPERATOR_PASSWORD}
    signed_in = (await stage.client().post("/api/auth/login", json=body)).json()
    operator = stage.client(Authorization=f"Bearer {signed_in['access']}")
    assert (await delete_tenant(operator, OPERATOR_PASSWORD)).status_code == 409
    assert (await operator.get("/api/v1/auth/user")).status_code == 200


async def test_an_admin_who_is_one_no_more_deletes_nothing(stage: Stage) -> None:
    admin = await stage.admin()
    second = await with_role(stage, admin, "admin")
    bob = (await second.get("/api/v1/auth/user")).json()
    demoted = await admin.patch(f"/api/v1/users/{bob['pk']}/", json={"is_staff": False})
    assert demoted.status_code == 200
    assert (await delete_tenant(second)).status_code == 403


async def test_another_gateway_forgets_whom_it_knew(
    stage: Stage, tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    admin = await stage.admin()
    async with play(tmp_path, keys, recorder) as beside:
        elsewhere = beside.client(Authorization=admin.headers["Authorization"])
        assert (await elsewhere.get("/api/v1/auth/user")).status_code == 200
        assert (await delete_tenant(admin)).status_code == 202
        await beside.service.erasure.claim()  # as each gateway looks, once a second
        assert (await elsewhere.get("/api/v1/auth/user")).status_code == 401


@pytest.fixture
async def command(stage: Stage) -> Any:
    """Return what runs the operator's command on the stage's database."""
    settings = stage.service.settings
    assert isinstance(settings, GatewaySettings)

    async def run(tenant_id: str | None = None, *, sure: bool = False) -> list[str]:
        return await deletion.run(settings, tenant_id, sure=sure)

    return run


async def test_the_operator_deletes_any_tenant_by_command(stage: Stage, command: Any) -> None:
    admin = await stage.admin()
    tenant_id = await tenant_of(admin)
    with pytest.raises(Problem, match="--yes"):
        await command(tenant_id)
    assert (await admin.get("/api/v1/auth/user")).status_code == 200
    assert "is deleted" in (await command(tenant_id, sure=True))[0]
    await stage.deliver(*await stage.emitted(TenantDeleted))
    assert (await admin.get("/api/v1/auth/user")).status_code == 401
    assert "erasing (waits for" in (await command())[0]
    await receipts(stage, tenant_id, *SERVICES)
    assert (await command())[0].endswith("erased")


async def test_the_command_refuses_who_is_not_there_and_the_operator(
    stage: Stage, command: Any
) -> None:
    with pytest.raises(Problem, match="There is no tenant"):
        await command("00000000-0000-4000-8000-00000000000f", sure=True)
    registered = (await stage.emitted(TenantRegistered))[0]
    with pytest.raises(Problem, match="operator's own"):
        await command(registered.tenant_id, sure=True)
