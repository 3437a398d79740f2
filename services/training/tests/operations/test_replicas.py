"""Facts of others: kept once, in any order, and let go with everything that hangs on them."""

import pytest

from chassis.testing import ADMIN, OTHER_TENANT, TENANT, Bench
from contracts.catalog import DataFileDeleted, ItemDeleted, ProjectDeleted
from contracts.interactions import InteractionRecorded
from contracts.models import ModelRetired
from contracts.tenants import PersonErased
from training.domain.replicas import Kept
from training.store import interactions as store
from training.store import replicas
from training.tests.standins import (
    MOMENT,
    data_changed,
    interactions,
    item_changed,
    know,
    posted,
    requested,
)


async def kept(bench: Bench, tenant_id: str = TENANT) -> list[int]:
    """Return the sequence numbers of a tenant's interactions."""
    async with bench.database.transaction(tenant_id=tenant_id, write=False) as tx:
        return [row.sequence for row in await store.after(tx, -1, through=10**9, limit=10**6)]


async def counted(bench: Bench) -> tuple[int, int]:
    """Return how many interactions and descriptions of items the tenant's tally has."""
    async with bench.database.transaction(tenant_id=TENANT, write=False) as tx:
        tally = await store.tally(tx)
    return (0, 0) if tally is None else (tally.interactions, tally.items)


async def test_interactions_of_another_tenant_are_its_own(bench: Bench) -> None:
    # The same sequence numbers under two tenants: only the tenant tells them apart.
    await know(bench, *interactions(3), *interactions(2, tenant_id=OTHER_TENANT))
    assert await kept(bench) == [1, 2, 3]
    assert await kept(bench, OTHER_TENANT) == [1, 2]


async def test_interactions_are_kept_once_however_often_they_come(bench: Bench) -> None:
    facts = interactions(5)
    again = [
        InteractionRecorded(**fact.model_dump(exclude={"event_id"}), event_id=f"again-{at}")
        for at, fact in enumerate(facts)
    ]
    await know(bench, *reversed(facts))
    await know(bench, *facts)
    await know(bench, *again)
    assert await kept(bench) == [1, 2, 3, 4, 5]
    assert await counted(bench) == (5, 0)


async def test_an_erased_persons_interactions_are_deleted(bench: Bench) -> None:
    await know(bench, *interactions(10, users=5), *interactions(1, tenant_id=OTHER_TENANT))
    await know(bench, PersonErased(tenant_id=TENANT, occurred_at=MOMENT, person_uid="user-0"))
    assert await kept(bench) == [2, 3, 4, 5, 7, 8, 9, 10]
    assert await kept(bench, OTHER_TENANT) == [1]
    assert await counted(bench) == (8, 0)


async def test_an_older_revision_of_an_item_never_replaces_a_newer_one(bench: Bench) -> None:
    gone = ItemDeleted(tenant_id=TENANT, occurred_at=MOMENT, item_id="b", revision=5)
    await know(bench, item_changed("a", 2, colour="red"), item_changed("a", 1, colour="blue"))
    await know(bench, gone, item_changed("b", 4, colour="green"))
    async with bench.database.transaction(tenant_id=TENANT, write=False) as tx:
        assert await replicas.items_after(tx, "", limit=10) == [("a", {"colour": "red"})]
    assert await counted(bench) == (0, 1)


async def test_a_deleted_project_takes_everything_along(bench: Bench) -> None:
    model = await requested(bench)
    await know(bench, ProjectDeleted(tenant_id=TENANT, occurred_at=MOMENT, project_id=1))
    client = bench.as_caller(ADMIN)
    for path in ("trained_model", "model_configuration", "parameter_tuning_job"):
        assert (await client.get(f"/api/v1/{path}/")).json()["count"] == 0
    assert [event.model_id for event in await bench.emitted(ModelRetired)] == [model["id"]]
    job = model["task_links"][0]["task"]["task_id"]
    assert (await client.get(f"/api/v1/jobs/{job}")).json()["status"] == "terminated"


async def test_a_deleted_data_file_takes_its_models_along_and_no_others(
    bench: Bench, no_patience: None
) -> None:
    model = await requested(bench)
    await know(bench, data_changed(6, 1))
    client = bench.as_caller(ADMIN)
    body = {"configuration": model["configuration"], "data_loc": 6}
    other = await posted(client, "/api/v1/trained_model/", **body)
    gone = DataFileDeleted(
        tenant_id=TENANT, occurred_at=MOMENT, kind="training_data", file_id=5, project_id=1
    )
    metadata = gone.model_copy(
        update={"kind": "item_meta_data", "file_id": 6, "event_id": "another"}
    )
    await know(bench, gone, metadata)
    rows = (await client.get("/api/v1/trained_model/")).json()["results"]
    assert [row["id"] for row in rows] == [other["id"]]
    refused = await client.post("/api/v1/trained_model/", json=body | {"data_loc": 5})
    assert refused.json()["data_loc"] == ['Invalid pk "5" - object does not exist.']


async def test_an_unlinked_file_can_not_be_trained_on_but_its_models_stay(bench: Bench) -> None:
    model = await requested(bench)
    await know(bench, data_changed(5, 1, table_key=None))
    client = bench.as_caller(ADMIN)
    assert (await client.get(f"/api/v1/trained_model/{model['id']}/")).status_code == 200
    body = {"configuration": model["configuration"], "data_loc": 5}
    refused = await client.post("/api/v1/trained_model/", json=body)
    assert refused.status_code == 400
    assert refused.json()["data_loc"] == ["Data 5 has been deleted."]


@pytest.mark.parametrize("number", [0, 25_000])
async def test_many_interactions_are_kept_at_once(bench: Bench, number: int) -> None:
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        rows = [
            Kept(sequence=at, user_id="u", item_id="i", weight=1.0, at=at) for at in range(number)
        ]
        assert await store.insert_all(tx, rows, tenant_id=TENANT) == number
    assert len(await kept(bench)) == number
