"""What an erased person did before is kept by nobody, in whatever order word of it comes."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

import training.app
from chassis.documents import open_documents
from chassis.testing import Bench, FrozenClock, on_the_bench
from contracts.catalog import ProjectChanged
from contracts.interactions import InteractionRecorded, InteractionType
from contracts.models import ModelReady
from contracts.tenants import PersonErased
from experiments.store import slots
from tests.contract.snapshots import build
from training.tests.standins import FakeCompute

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
BEFORE, AFTER = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
#: What happens: facts of the person from before and after, of somebody else, and the erasure.
HAPPENED = ("before", "after", "somebody else's", "the erasure")
_ASIDE = {"inbox", "outbox"}
#: What differs from one tenant to the next, and says nothing of people.
_NAMES = {"tenant_id", "id", "uid", "sequence", "recorded_at", "slot_id", "project_id"}


@pytest.fixture
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    monkeypatch.setattr(training.app, "open_compute", lambda _url, **_others: FakeCompute())
    service = build(request.param, tmp_path)
    service.database.clock = FrozenClock(NOON + timedelta(hours=3))
    async with on_the_bench(service) as bench:
        yield bench


def interaction(tenant: str, sequence: int, user: str, at: datetime) -> InteractionRecorded:
    return InteractionRecorded(
        tenant_id=tenant,
        occurred_at=at,
        event_id=f"{user}-{at.hour}",
        sequence=sequence,
        interaction_id=f"{user}-{at.hour}",
        user_id=user,
        item_id=f"item-{at.hour}",
        interaction_type=InteractionType.VIEW,
        weight=0.1,
        source="kafka",
        centiunits=1,
    )


async def fact(bench: Bench, tenant: str, sequence: int, user: str, at: datetime) -> None:
    """Let a fact come as it comes to this service: from others, and through its own doors."""
    told = f'"eventId": "{user}-{at.hour}", "timestamp": "{at.isoformat()}"'
    if bench.service.name == "catalog":
        record = f'{{"userId": "{user}", "itemId": "i", "interactionType": "view", {told}}}'
        await bench.ingest("interactions", record.encode(), tenant_id=tenant)
        return
    await bench.deliver(interaction(tenant, sequence, user, at))
    if bench.service.name == "experiments":
        async with bench.database.transaction(tenant_id=tenant) as tx:
            [slot] = await slots.all_of(tx.session)
        record = (
            f'{{"project": {slot.project_id}, "deployment_slot": {slot.id}, "user_id": "{user}", '
            f'"event_type": "click", {told}}}'
        )
        await bench.ingest("conversions", record.encode(), tenant_id=tenant)


async def happen(bench: Bench, tenant: str, number: int, order: Sequence[str]) -> None:
    """Let everything happen to a tenant of its own, in one order."""
    if bench.service.name == "experiments":
        await _deploy(bench, tenant, number)
    for what in order:
        match what:
            case "before":
                await fact(bench, tenant, 1, "ann", BEFORE)
            case "after":
                await fact(bench, tenant, 2, "ann", AFTER)
            case "somebody else's":
                await fact(bench, tenant, 3, "bob", BEFORE)
            case _:
                erased = PersonErased(tenant_id=tenant, occurred_at=NOON, person_uid="ann")
                await bench.deliver(erased)


async def _deploy(bench: Bench, tenant: str, number: int) -> None:
    columns = {"user_column": "u", "item_column": "i"}
    told: dict[str, Any] = {"tenant_id": tenant, "occurred_at": NOON, "project_id": number}
    await bench.deliver(ProjectChanged(**told, **columns, name="p", is_default=True, revision=1))
    names = ("model_uid", "version", "learner", "artefact_key", "artefact_digest")
    await bench.deliver(
        ModelReady(
            **told,
            **dict.fromkeys(names, "x"),
            model_id=number,
            artefact_bytes=1,
            interactions_seen=1,
            deploy_to_slot="slot",
        )
    )


async def state(bench: Bench, tenant: str) -> dict[str, Any]:
    """Return what is kept of a tenant's people."""
    found: dict[str, Any] = {}
    async with bench.database.engine.connect() as connection:
        for name, table in bench.database.metadata.tables.items():
            if name in _ASIDE or "user_id" not in table.columns:
                continue
            columns = [column for column in table.columns if column.name not in _NAMES]
            rows = await connection.execute(
                select(*columns).where(table.columns["tenant_id"] == tenant)
            )
            found[name] = sorted(repr(tuple(row)) for row in rows)
    if bench.service.name == "inference":
        documents = open_documents(bench.service.settings.documents("inference"))
        kept = await documents.find("histories", tenant_id=tenant, sort=["id"])
        await documents.close()
        found["histories"] = [(each["id"], each["items"]) for each in kept]
        known = await bench.app.state.recommender._histories.of_many(tenant, ["ann", "bob"])
        found["memory"] = [each.history.entries for each in known]
    return found


@pytest.mark.parametrize(
    "bench", ["catalog", "training", "inference", "billing", "experiments"], indirect=True
)
async def test_every_order_ends_in_the_same_state(bench: Bench) -> None:
    found = []
    for number, order in enumerate(permutations(HAPPENED), start=1):
        tenant = str(UUID(int=number, version=4))
        await happen(bench, tenant, number, order)
        found.append((order, await state(bench, tenant)))
    first = found[0][1]
    for order, ended in found:
        assert ended == first, order
    # What came after the erasure is there, and what came before is not.
    of_ann = [str(row) for rows in first.values() for row in rows if "'ann'" in str(row)]
    assert of_ann
    assert not [row for row in of_ann if f"15, {BEFORE.hour}, 0" in row or "item-11" in row]
    assert "bob" in str(first)
