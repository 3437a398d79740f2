"""Snapshots of replicas: ordered by what they say, so that the same facts give the same digest."""

import io
import json
import random
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from chassis.blobs import open_blobs
from chassis.testing import OTHER_TENANT, TENANT, Bench
from training.domain.replicas import Kept
from training.operations import exports, external_sort
from training.store import interactions as store
from training.tests.standins import item_changed, know

FACTS = [
    Kept(sequence=1, user_id="anna", item_id="a", weight=1.0, at=3_000_000),
    Kept(sequence=2, user_id="bert", item_id="b", weight=0.3, at=1_000_000),
    Kept(sequence=3, user_id="anna", item_id="c", weight=0.1, at=2_000_000),
]


async def keep(bench: Bench, facts: list[Kept], tenant_id: str = TENANT) -> None:
    """Keep interactions of a tenant."""
    async with bench.database.transaction(tenant_id=tenant_id) as tx:
        await store.insert_all(tx, facts, tenant_id=tenant_id)


async def test_the_order_of_arrival_leaves_no_mark(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "_CHUNK", 2)
    blobs = open_blobs(bench.service.settings.blobs())
    backwards = [replace(fact, sequence=10 - fact.sequence) for fact in FACTS]
    await keep(bench, FACTS)
    await keep(bench, backwards, OTHER_TENANT)
    one, rows = await exports.interactions_of(bench.database, TENANT, blobs=blobs, key="one")
    other, _ = await exports.interactions_of(bench.database, OTHER_TENANT, blobs=blobs, key="two")
    assert rows == 3
    assert one.digest == other.digest
    table = pq.read_table(io.BytesIO(await blobs.get("one")))
    assert table["item"].to_pylist() == ["b", "c", "a"]
    assert table["weight"].to_pylist() == [0.3, 0.1, 1.0]
    assert [each.second for each in table["time"].to_pylist()] == [1, 2, 3]


@pytest.mark.parametrize(
    "sizes",
    [(500, 100, 64), (7, 5, 3), (50, 1, 1000), (1, 3, 7)],
    ids=lambda sizes: "run {} part {} group {}".format(*sizes),
)
async def test_what_fits_into_no_memory_is_sorted_on_disk(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, int, int]
) -> None:
    run, part, group = sizes
    monkeypatch.setattr(exports, "_CHUNK", 11)
    monkeypatch.setattr(external_sort, "_RUN_ROWS", run)
    monkeypatch.setattr(external_sort, "_PART_ROWS", part)
    monkeypatch.setattr(external_sort, "_GROUP_ROWS", group)
    chance = random.Random(7)
    facts = [
        Kept(
            sequence=number,
            user_id=chance.choice(["anna", "\u00e9va", "\U0001f600", "z", "Z"]),
            item_id=f"i{chance.randrange(3)}",
            weight=chance.choice([0.1, 0.3, 1.0]),
            # Few moments, so that whole parts are of the same one.
            at=chance.choice([1_000_000, 2_000_000, -5]),
        )
        for number in range(1, 200)
    ]
    others = [replace(each, sequence=500 - each.sequence) for each in facts]
    await keep(bench, facts)
    await keep(bench, others, OTHER_TENANT)
    blobs = open_blobs(bench.service.settings.blobs())
    one, rows = await exports.interactions_of(bench.database, TENANT, blobs=blobs, key="one")
    other, _ = await exports.interactions_of(bench.database, OTHER_TENANT, blobs=blobs, key="two")

    assert (rows, one.digest) == (199, other.digest)
    table = pq.read_table(io.BytesIO(await blobs.get("one")))
    found = list(
        zip(
            table["time"].cast("int64").to_pylist(),
            *(table[name].to_pylist() for name in ("user", "item", "weight")),
            strict=True,
        )
    )
    assert found == sorted((each.at, each.user_id, each.item_id, each.weight) for each in facts)


async def test_many_items_are_written_as_they_are_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = open_blobs(bench.service.settings.blobs())
    await know(bench, *[item_changed(f"i{number}", title=f"t{number}") for number in range(9)])
    whole, _ = await exports.items_of(bench.database, TENANT, blobs=blobs, key="whole")
    monkeypatch.setattr(exports, "_CHUNK", 2)
    parts, number = await exports.items_of(bench.database, TENANT, blobs=blobs, key="parts")

    assert (number, parts.digest) == (9, whole.digest)
    assert len((await blobs.get("parts")).splitlines()) == 9


async def test_a_tenant_without_interactions_exports_an_empty_table(bench: Bench) -> None:
    blobs = open_blobs(bench.service.settings.blobs())
    _, rows = await exports.interactions_of(bench.database, TENANT, blobs=blobs, key="none")
    assert rows == 0
    assert pq.read_table(io.BytesIO(await blobs.get("none"))).num_rows == 0


async def test_items_keep_the_shape_of_their_metadata(bench: Bench) -> None:
    await know(
        bench,
        item_changed("b", tags=["x", "y"], price=3.5),
        item_changed("a", title="A", new=True),
    )
    blobs = open_blobs(bench.service.settings.blobs())
    _, number = await exports.items_of(bench.database, TENANT, blobs=blobs, key="items")
    assert number == 2
    lines = (await blobs.get("items")).decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        ["a", {"new": True, "title": "A"}],
        ["b", {"price": 3.5, "tags": ["x", "y"]}],
    ]
