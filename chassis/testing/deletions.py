"""What the deletion of a tenant does to a service's database, executed on each engine.

A subclass gives the fixture `database`: an empty one with the tables of `databases.Base`.
"""
# ruff: noqa: S101 - asserting is what a behaviour suite is for

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from chassis.clock import now
from chassis.database import Database
from chassis.problems import Unauthenticated
from chassis.remembering import REMEMBERED
from chassis.tenant_erasure import TenantErasure
from chassis.testing import ADMIN
from chassis.testing.databases import ONE, OTHER, Kafka, hear, read, swept, write
from contracts.catalog import ItemDeleted
from contracts.tenants import TenantDeleted, TenantErased, TenantRegistered
from contracts.topics import CATALOG_CHANGES, CONVERSIONS, ERASURES, TENANTS


class Shelf:
    """Something outside the database that holds things of tenants."""

    def __init__(self) -> None:
        """Hold two things of each tenant."""
        self.things = {ONE: 2, OTHER: 2}
        self.is_away = False

    async def erase(self, tenant_id: str) -> Mapping[str, int]:
        """Drop what is a tenant's."""
        if self.is_away:
            raise ConnectionError("the shelf is away")
        return {"thing": self.things.pop(tenant_id, 0)}


async def delete_tenant(database: Database, erasure: TenantErasure, tenant_id: str = ONE) -> None:
    """Let a service hear of a deletion."""
    async with database.transaction(tenant_id=tenant_id) as tx:
        await erasure.note(tx, tenant_id, at=tx.clock())


async def erase_due(erasure: TenantErasure) -> list[str]:
    """Erase the tenants that are due; return them."""
    found = []
    while (tenant_id := await erasure.claim()) is not None:
        await erasure.erase(tenant_id)
        found.append(tenant_id)
    return found


async def remembered(database: Database) -> list[tuple[str, str, bytes]]:
    """Return topic, key and value of all that the outbox holds."""
    table = database.metadata.tables["outbox"]
    query = select(table.c.topic, table.c.key, table.c.value).order_by(table.c.id)
    async with database.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(query)]


class DeletionBehaviour:
    """Inherit, and give the fixture `database`."""

    @pytest.fixture
    def shelf(self) -> Shelf:
        return Shelf()

    @pytest.fixture
    async def erasure(self, database: Database, shelf: Shelf) -> AsyncIterator[TenantErasure]:
        yield TenantErasure("notes", database, elsewhere=[shelf.erase])
        database.clock = now

    async def test_all_rows_of_a_deleted_tenant_go_and_no_others(
        self, database: Database, erasure: TenantErasure, shelf: Shelf
    ) -> None:
        await write(database, *(f"note {number}" for number in range(2_100)))
        await write(database, "other's", tenant_id=OTHER)
        await hear(database, f"{ONE}:heard", f"{OTHER}:heard")
        await delete_tenant(database, erasure)
        assert await erase_due(erasure) == [ONE]
        assert await read(database, None) == ["other's"]
        assert await hear(database, f"{ONE}:heard", f"{OTHER}:heard") == {f"{ONE}:heard"}
        assert shelf.things == {OTHER: 2}

    async def test_much_that_was_handled_and_sent_goes_and_nothing_of_others(
        self, database: Database, erasure: TenantErasure
    ) -> None:
        tenants = (ONE, OTHER)
        await hear(database, *(f"{each}:{n}" for n in range(5_200) for each in tenants))
        await hear(database, f"ingest.{ONE}.interactions:0:1", f"{OTHER}:1", subscription="another")
        async with database.transaction(tenant_id=None) as tx:
            for number in range(2_700):
                for tenant_id in tenants:
                    for topic in (CATALOG_CHANGES, CONVERSIONS):
                        key = f"{tenant_id}:{number}"
                        tx.send(topic.name, key=key, value=b"{}", event_id=key)
        await delete_tenant(database, erasure)
        counts = await erasure.erase(ONE)
        assert (counts["inbox"], counts["outbox"]) == (5_201, 5_400)
        left = await remembered(database)
        assert sum(key.startswith(OTHER) for _topic, key, _value in left) == 5_400
        mine = [(topic, value) for topic, key, value in left if key.startswith(ONE)]
        tombstone = (CATALOG_CHANGES.name, b"")
        assert {topic for topic, value in mine if (topic, value) != tombstone} == {ERASURES.name}
        assert mine.count(tombstone) == 2_700
        assert await hear(database, f"{OTHER}:7", f"{ONE}:7") == {f"{ONE}:7"}
        assert await hear(database, f"{OTHER}:1", subscription="another") == set()

    async def test_nothing_is_erased_of_who_was_not_deleted(
        self, database: Database, erasure: TenantErasure
    ) -> None:
        await write(database, "own")
        assert await erase_due(erasure) == []
        assert await read(database) == ["own"]

    async def test_the_receipt_leaves_once_and_says_what_was_erased(
        self, database: Database, erasure: TenantErasure
    ) -> None:
        kafka = Kafka()
        await write(database, "a", "b", "c")
        await delete_tenant(database, erasure)
        await delete_tenant(database, erasure)  # as a replay would
        await erase_due(erasure)
        database.clock = lambda: now() + timedelta(minutes=2)
        assert await erase_due(erasure) == [ONE]
        await swept(database, kafka)
        receipts = [
            TenantErased.model_validate_json(record.value)
            for record in kafka.sent
            if record.topic == ERASURES.name
        ]
        assert [(each.tenant_id, each.service, each.erased) for each in receipts] == [
            (ONE, "notes", {"note": 3, "thing": 2})
        ]

    async def test_what_comes_late_is_erased_until_no_topic_holds_it(
        self, database: Database, erasure: TenantErasure
    ) -> None:
        await delete_tenant(database, erasure)
        await erase_due(erasure)
        for later in (timedelta(hours=2), REMEMBERED, 2 * REMEMBERED, 3 * REMEMBERED):
            moment = now() + later
            database.clock = lambda moment=moment: moment  # type: ignore[misc]
            await write(database, "late")
            assert await erase_due(erasure) == [ONE]
            assert await read(database, None) == []
        database.clock = lambda: now() + 9 * REMEMBERED
        await erase_due(erasure)
        assert await erase_due(erasure) == []

    async def test_what_could_not_be_erased_is_tried_again(
        self, database: Database, erasure: TenantErasure, shelf: Shelf
    ) -> None:
        await write(database, "own")
        await delete_tenant(database, erasure)
        shelf.is_away = True
        assert await erasure.claim() == ONE
        with pytest.raises(ConnectionError):
            await erasure.erase(ONE)
        assert [row for row in await remembered(database) if row[0] == ERASURES.name] == []
        assert await erase_due(erasure) == []  # another replica may still be at it
        shelf.is_away = False
        database.clock = lambda: now() + timedelta(minutes=6)
        assert await erasure.claim() == ONE
        assert erasure.age >= 360
        await erasure.erase(ONE)
        assert await erasure.claim() is None
        assert erasure.age == 0
        assert await read(database, None) == []

    async def test_of_two_replicas_one_erases(
        self, database: Database, erasure: TenantErasure
    ) -> None:
        await delete_tenant(database, erasure)
        claimed = await asyncio.gather(erasure.claim(), erasure.claim())
        assert sorted(claimed, key=str) == [ONE, None]

    async def test_its_keys_leave_compacted_topics_and_what_waits_never_leaves(
        self, database: Database, erasure: TenantErasure
    ) -> None:
        kafka = Kafka()
        async with database.transaction(tenant_id=None) as tx:
            for tenant_id in (ONE, OTHER):
                tx.emit(
                    TenantRegistered(tenant_id=tenant_id, occurred_at=now(), name="n", owner_id=1)
                )
                tx.send(CATALOG_CHANGES.name, key=f"{tenant_id}:i", value=b"{}", event_id="e")
        await swept(database, kafka)
        kafka.sent.clear()
        async with database.transaction(tenant_id=ONE) as tx:
            tx.send(CONVERSIONS.name, key=f"{ONE}:c", value=b"{}", event_id="c")
            tx.send(f"ingest.{ONE}.rejected", key="any", value=b"{}", event_id="r")
            tx.emit(TenantDeleted(tenant_id=ONE, occurred_at=now()))
        await delete_tenant(database, erasure)
        await erase_due(erasure)
        await swept(database, kafka)
        sent = {(record.topic, record.key, record.is_tombstone) for record in kafka.sent}
        assert (CATALOG_CHANGES.name, f"{ONE}:i", True) in sent
        assert (TENANTS.name, f"{ONE}:{ONE}", False) in sent  # its end is told for a while yet
        assert {topic for topic, _key, _gone in sent} == {
            CATALOG_CHANGES.name,
            TENANTS.name,
            ERASURES.name,
        }
        kept = {(topic, key) for topic, key, _value in await remembered(database)}
        assert (CATALOG_CHANGES.name, f"{OTHER}:i") in kept
        assert (CATALOG_CHANGES.name, f"{ONE}:i") not in kept

    async def test_a_deleted_tenant_is_refused_and_announces_nothing(
        self, database: Database, erasure: TenantErasure
    ) -> None:
        caller = ADMIN
        database.deleted_tenants.add([caller.tenant_id])
        with pytest.raises(Unauthenticated):
            async with database.transaction(caller):
                pass
        async with database.transaction(tenant_id=caller.tenant_id) as tx:
            gone: dict[str, Any] = {"tenant_id": caller.tenant_id, "occurred_at": now()}
            tx.emit(ItemDeleted(**gone, item_id="i", revision=1))
            tx.emit(TenantDeleted(**gone))
        assert [row[0] for row in await remembered(database)] == [TENANTS.name]

    async def test_every_process_learns_of_deletions_from_the_database(
        self, database: Database, erasure: TenantErasure
    ) -> None:
        forgotten: list[str] = []
        beside = Database(database.url, database.metadata)
        other = TenantErasure("notes", beside, forgets=[forgotten.append])
        try:
            await other.load()
            assert await other.claim() is None
            await delete_tenant(database, erasure)
            assert await erasure.claim() == ONE
            assert await other.claim() is None  # the first one erases
            assert list(beside.deleted_tenants) == forgotten == [ONE]
        finally:
            await beside.close()

    async def test_a_process_that_starts_later_knows_who_was_deleted(
        self, database: Database, erasure: TenantErasure
    ) -> None:
        await delete_tenant(database, erasure)
        while await erase_due(erasure):
            later = database.clock() + 2 * REMEMBERED
            database.clock = lambda later=later: later  # type: ignore[misc]
        started = Database(database.url, database.metadata)
        try:
            await TenantErasure("notes", started).load()
            assert list(started.deleted_tenants) == [ONE]
        finally:
            await started.close()
