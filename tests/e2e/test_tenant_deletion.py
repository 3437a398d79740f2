"""A tenant is deleted: nobody of it is let in from then on, and no store holds anything of it."""

import asyncio
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from sqlalchemy import select

from chassis.blobs import open_blobs
from chassis.database import Database
from chassis.documents import open_documents
from chassis.settings import Settings
from tests import local
from tests.contract.snapshots import SERVICES, build
from tests.contract.test_tenant_deletion import DOCUMENTS, LASTING
from tests.e2e.conftest import PASSWORD, Tenant
from tests.e2e.estate import estate_of
from tests.running import RunningStack, until

PATH = "/api/v1/tenant"
ERASED_WITHIN = 90.0


def delete_tenant(client: httpx.Client, password: str = PASSWORD) -> httpx.Response:
    return client.request("DELETE", PATH, json={"password": password})


def uid_of(tenant: Tenant) -> str:
    return str(tenant.client.get("/api/v1/auth/user/").raise_for_status().json()["tenantId"])


def until_erased(visitor: httpx.Client, token: str) -> dict[str, Any]:
    """Wait until every service has sent its receipt."""

    def erased() -> dict[str, Any] | None:
        shown = visitor.get("/api/v1/tenant_deletion", headers={"Receipt-Token": token})
        found: dict[str, Any] = shown.raise_for_status().json()
        return found if found["state"] == "erased" else None

    return until(erased, within=ERASED_WITHIN)


class Stores:
    """All that the stack's services keep anything in."""

    def __init__(self, stack: RunningStack) -> None:
        self._kafka = stack.kafka
        self._environments = {name: stack.environment_of(name) for name in SERVICES}

    def topics_of(self, tenant_id: str) -> list[str]:
        found = AdminClient({"bootstrap.servers": self._kafka}).list_topics(timeout=30)
        return sorted(name for name in found.topics if tenant_id in name)

    def rows_of(self, tenant_id: str, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, list[str]]:
        """Return the rows that name a tenant anywhere, by service and table."""
        found: dict[str, list[str]] = {}
        for name in SERVICES:
            with self._acting_as(name, monkeypatch) as settings:
                metadata = build(name, settings.folder("read", name)).database.metadata
                rows = asyncio.run(_rows(settings.database(name), metadata, tenant_id))
            found |= {f"{name}.{table}": some for table, some in rows.items()}
        return found

    def blobs_of(self, tenant_id: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        async def keys(url: str) -> list[str]:
            async with open_blobs(url) as blobs:
                return await blobs.keys(tenant_id)

        with self._acting_as("catalog", monkeypatch) as settings:
            return asyncio.run(keys(settings.blobs()))

    def documents_of(self, tenant_id: str, monkeypatch: pytest.MonkeyPatch) -> int:
        async def count(url: str) -> int:
            async with open_documents(url) as documents:
                return sum([await documents.count(e, tenant_id=tenant_id) for e in DOCUMENTS])

        with self._acting_as("inference", monkeypatch) as settings:
            return asyncio.run(count(settings.documents("inference")))

    @contextmanager
    def _acting_as(self, service: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
        """Have the environment of a service for a block, with its settings."""
        with monkeypatch.context() as patch:
            for name in [each for each in os.environ if each.startswith(("MILLRACE_", "AWS_"))]:
                patch.delenv(name)
            for name, value in self._environments[service].items():
                patch.setenv(name, value)
            yield Settings()


async def _rows(url: str, metadata: Any, tenant_id: str) -> dict[str, list[str]]:
    database = Database(url, metadata)
    found: dict[str, list[str]] = {}
    try:
        async with database.engine.connect() as connection:
            for table in metadata.sorted_tables:
                rows = [repr(tuple(row)) for row in await connection.execute(select(table))]
                if mine := [row for row in rows if tenant_id in row]:
                    found[table.name] = mine
    finally:
        await database.close()
    return found


@pytest.fixture
def stores(stack: RunningStack) -> Stores:
    return Stores(stack)


@pytest.fixture
def rich(new_tenant: Callable[[], Tenant], stack: RunningStack) -> Tenant:
    """Return a tenant with something of every kind, on its ingest topics, too."""
    tenant = new_tenant()
    estate_of(tenant)
    topics = tenant.key_client.get("/api/v1/ingest").raise_for_status().json()
    producer = Producer({"bootstrap.servers": stack.kafka})
    for value in (b'{"userId": "u7", "itemId": "mine", "interactionType": "view"}', b"no JSON"):
        producer.produce(topics["interactions_topic"], value)
    assert producer.flush(30) == 0
    until(lambda: _knows(tenant, "u7"))
    return tenant


def _knows(tenant: Tenant, user: str) -> bool:
    found = tenant.client.post("/api/v1/recommend", json={"userId": user, "count": 5})
    return "mine" not in {row["itemId"] for row in found.raise_for_status().json()}


def test_strangers_members_keys_and_wrong_passwords_delete_nothing(
    visitor: httpx.Client, bystander: Tenant
) -> None:
    assert visitor.request("DELETE", PATH, json={"password": PASSWORD}).status_code == 401
    assert delete_tenant(bystander.key_client).status_code == 403
    assert delete_tenant(bystander.client, "not the password").status_code == 400
    assert visitor.get("/api/v1/tenant_deletion").status_code == 404
    assert bystander.client.get("/api/v1/project/").status_code == 200


def test_a_deleted_tenant_is_out_at_once_and_nothing_of_it_stays(
    stack: RunningStack,
    visitor: httpx.Client,
    rich: Tenant,
    new_tenant: Callable[[], Tenant],
    stores: Stores,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = new_tenant()
    other.client.post("/api/items", json={"id": "theirs", "metadata": {}}).raise_for_status()
    other_before = stores.rows_of(uid_of(other), monkeypatch).keys()
    uid = uid_of(rich)
    assert stores.topics_of(uid)
    assert stores.blobs_of(uid, monkeypatch)
    assert stores.documents_of(uid, monkeypatch)

    begun = delete_tenant(rich.client)
    assert begun.status_code == 202, begun.text
    for client in (rich.client, rich.key_client):
        assert client.get("/api/v1/project/").status_code == 401
    login = {"email": rich.email, "password": PASSWORD}
    assert visitor.post("/api/auth/login", json=login).status_code == 401

    found = until_erased(visitor, begun.json()["receipt_token"])
    counts = {each["service"]: each["erased"] for each in found["receipts"]}
    assert counts.keys() == set(SERVICES)
    assert counts["catalog"]["topics"] == 3
    assert counts["inference"]["histories"] > 0
    assert counts["training"]["blobs"] > 0

    until(lambda: not stores.topics_of(uid))
    assert stores.blobs_of(uid, monkeypatch) == []
    assert stores.documents_of(uid, monkeypatch) == 0
    # Tombstones are on their way for a moment, and what was under way is erased a minute later.
    left: dict[str, list[str]] = {}

    def is_gone() -> bool:
        left.clear()
        left.update(_leftovers(stores.rows_of(uid, monkeypatch)))
        return not left

    with suppress(AssertionError):
        until(is_gone, within=ERASED_WITHIN, every=1)
    assert left == {}

    assert stores.rows_of(uid_of(other), monkeypatch).keys() >= other_before
    assert other.key_client.get("/api/items").json()["data"][0]["id"] == "theirs"


def _leftovers(rows: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the rows that say more than that the tenant was deleted, its books aside."""
    found: dict[str, list[str]] = {}
    for place, some in rows.items():
        table = place.partition(".")[2]
        if table == "outbox":
            # Receipts, and the news of the end.
            some = [row for row in some if not re.search("TenantErased|TenantDeleted", row)]
        if some and table not in LASTING:
            found[place] = some
    return found


def test_the_same_address_registers_anew_and_finds_nothing_of_before(
    stack: RunningStack, visitor: httpx.Client, new_tenant: Callable[[], Tenant]
) -> None:
    tenant = new_tenant()
    before = uid_of(tenant)
    tenant.client.post("/api/items", json={"id": "old", "metadata": {}}).raise_for_status()
    assert delete_tenant(tenant.client).status_code == 202
    account = {"email": tenant.email, "name": "Test Person", "password": PASSWORD}
    visitor.post("/api/auth/register", json=account).raise_for_status()
    login = {"email": tenant.email, "password": PASSWORD}
    token = visitor.post("/api/auth/login", json=login).raise_for_status().json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    with local.Client(base_url=stack.base_url, timeout=30, headers=headers) as again:
        assert again.get("/api/v1/auth/user/").json()["tenantId"] != before
        assert again.get("/api/items").json()["data"] == []


def test_the_operator_deletes_any_tenant_by_command(
    stack: RunningStack, new_tenant: Callable[[], Tenant]
) -> None:
    tenant = new_tenant()
    uid = uid_of(tenant)
    assert "is deleted" in stack.command("delete-tenant", uid, "--yes")
    until(lambda: tenant.client.get("/api/v1/project/").status_code == 401)
    until(lambda: re.search(rf"{uid}\t.*\terased$", stack.command("deletions"), re.M), every=1)
