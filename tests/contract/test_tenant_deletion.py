"""Nothing of a deleted tenant stays in any service, and everything of the others does.

The tables, the replicas in memory and the documents are found by looking, so that a new one is held
to this, too.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import catalog.app
import training.app
from chassis.documents import open_documents
from chassis.testing import OTHER_TENANT, TENANT, Bench, FrozenClock, on_the_bench
from contracts.tenants import TenantDeleted, TenantErased
from tests.contract.compacted_history import BEGAN, facts, history
from tests.contract.snapshots import SERVICES, build
from tests.contract.test_compacted_topics import holder_of, no_topics, plain
from training.tests.standins import FakeCompute

DOCUMENTS = ("histories", "items", "sessions")
#: Tables that keep rows of a deleted tenant, and why.
LASTING = {
    "deleted_tenant": "that it was deleted",
    "tenant_deletion": "for whoever asks how far the erasure is",
    "erasure_receipt": "for whoever asks how far the erasure is",
    "invoice": "books are kept",
    "charge": "what is still to be paid",
}
#: Tables without a tenant's column, and why nothing of a deleted tenant stays in them.
COMMON = {
    "outbox": "taken back by key",
    "inbox": "forgotten by tenant",
    "announced": "a number for all tenants together",
    "doomed_blob": "forgotten by folder",
    "discarded_artefacts": "forgotten by folder",
    "tenants": "deleted with the people",
    "token_keys": "the platform's own",
    "notice": "ids of a payment provider's notices, which name nobody",
    "alembic_version": "the state of the tables",
}


async def told_everything(bench: Bench) -> None:
    happened = history()
    for start in range(0, len(happened), 9):
        await bench.deliver(*happened[start : start + 9])
    await bench.deliver(*facts())


@pytest.fixture
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    """Return a service that has heard all that there is of two tenants."""
    monkeypatch.setattr(training.app, "open_compute", lambda _url, **_others: FakeCompute())
    monkeypatch.setattr(catalog.app, "_topic_remover", lambda _settings: no_topics)
    service = build(request.param, tmp_path)
    service.database.clock = FrozenClock(BEGAN)
    async with on_the_bench(service) as made:
        await told_everything(made)
        yield made


async def rows_with(bench: Bench, tenant_id: str) -> dict[str, list[str]]:
    """Return the rows, of all tables, that name a tenant anywhere."""
    found: dict[str, list[str]] = {}
    async with bench.database.engine.connect() as connection:
        for table in bench.database.metadata.sorted_tables:
            rows = [repr(tuple(row)) for row in await connection.execute(select(table))]
            mine = sorted(row for row in rows if tenant_id in row)
            if mine:
                found[table.name] = mine
    return found


async def documents_of(bench: Bench, tenant_id: str) -> list[Any]:
    if bench.service.name != "inference":
        return []
    documents = open_documents(bench.service.settings.documents("inference"))
    try:
        return [
            each
            for collection in DOCUMENTS
            for each in await documents.find(collection, tenant_id=tenant_id)
        ]
    finally:
        await documents.close()


def memory_of(bench: Bench) -> dict[str, str]:
    """Return what each replica holds in memory, as text."""
    return {
        each.name: json.dumps(plain(holder_of(each.handler)), default=str)
        for each in bench.service.subscriptions
        if each.style == "replica"
    }


async def delete_tenant(bench: Bench) -> None:
    at = bench.database.clock()
    await bench.deliver(TenantDeleted(tenant_id=TENANT, occurred_at=at))
    await bench.erase_due()


@pytest.mark.parametrize("bench", SERVICES, indirect=True)
async def test_nothing_of_a_deleted_tenant_stays(bench: Bench) -> None:
    assert await rows_with(bench, TENANT)
    await delete_tenant(bench)
    left = await rows_with(bench, TENANT)
    assert left.keys() - LASTING.keys() <= {"outbox"}
    # A tombstone has nothing but its key, and leaves with that.
    values = [row for row in left.get("outbox", []) if "b''" not in row]
    assert all("TenantErased" in row for row in values)
    assert await documents_of(bench, TENANT) == []
    assert {name for name, held in memory_of(bench).items() if TENANT in held} == set()
    [receipt] = [each for each in await bench.emitted(TenantErased) if each.tenant_id == TENANT]
    assert receipt.service == bench.service.name


@pytest.mark.parametrize("bench", SERVICES, indirect=True)
async def test_everything_of_other_tenants_stays(bench: Bench) -> None:
    before = await rows_with(bench, OTHER_TENANT), await documents_of(bench, OTHER_TENANT)
    memory = {name: held.count(OTHER_TENANT) for name, held in memory_of(bench).items()}
    await delete_tenant(bench)
    after = await rows_with(bench, OTHER_TENANT), await documents_of(bench, OTHER_TENANT)
    assert after == before
    assert {n: held.count(OTHER_TENANT) for n, held in memory_of(bench).items()} == memory


@pytest.mark.parametrize("bench", SERVICES, indirect=True)
async def test_a_deleted_tenants_facts_that_come_again_leave_nothing(bench: Bench) -> None:
    await delete_tenant(bench)
    left = await rows_with(bench, TENANT)
    await told_everything(bench)
    again = await rows_with(bench, TENANT)
    assert {name: rows for name, rows in again.items() if name != "inbox"} == left
    assert {name for name, held in memory_of(bench).items() if TENANT in held} == set()


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_is_erased_from_or_says_why_not(service: str, tmp_path: Path) -> None:
    made = build(service, tmp_path)
    erased = {table.name for table in made.erasure.tables}
    rest = {table.name for table in made.database.metadata.sorted_tables} - erased
    for name in rest:
        table = made.database.metadata.tables[name]
        reasons = LASTING if "tenant_id" in table.columns else COMMON
        assert name in reasons, f"{service}: is {name} erased when a tenant is deleted?"
