"""Bulk inserts on PostgreSQL: by COPY, once each, and never across tenants."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import String, UniqueConstraint, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from catalog.domain.interactions import Interaction
from catalog.operations import interactions
from catalog.store.announcements import Announcements
from catalog.store.tables import Base as CatalogBase
from catalog.store.tables import InteractionRow, ItemRow
from chassis import migrations
from chassis.away import is_away
from chassis.database import Database
from chassis.tables import Identified, Moment, new_metadata
from chassis.tenancy import TenantScoped
from chassis.upserts import insert_new
from contracts.interactions import InteractionType
from training.domain.replicas import Kept
from training.store import interactions as training_interactions
from training.store.tables import Base as TrainingBase

ONE, OTHER = str(uuid4()), str(uuid4())
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Base(DeclarativeBase):
    """A table with everything that a bulk insert has to get right."""

    metadata = new_metadata()


class NoteRow(Identified, TenantScoped, Base):
    """Values of ours by default, a moment, and a name that is unique in its tenant."""

    __tablename__ = "note"
    __table_args__ = (UniqueConstraint("tenant_id", "name"), {"sqlite_autoincrement": True})

    name: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime] = mapped_column(Moment)


NOTE = NoteRow.metadata.tables["note"]


@pytest.fixture
async def empty_url(postgres_url: str) -> AsyncIterator[str]:
    """Return the URL of a database of this test's own."""
    name = f"bulk_{uuid4().hex[:12]}"
    engine = create_async_engine(postgres_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


@pytest.fixture
async def notes(empty_url: str) -> AsyncIterator[Database]:
    database = Database(empty_url, Base.metadata)
    await database.create_all()
    yield database
    await database.close()


@pytest.fixture
async def catalog(empty_url: str) -> AsyncIterator[Database]:
    database = Database(empty_url, CatalogBase.metadata)
    await database.create_all()
    yield database
    await database.close()


def rows(numbers: range, *, tenant_id: str = ONE) -> list[dict[str, object]]:
    return [{"tenant_id": tenant_id, "name": f"n{number}", "at": NOW} for number in numbers]


@pytest.mark.parametrize("count", [3, 300], ids=["by values", "by copy"])
async def test_only_what_is_new_goes_in_and_comes_back(notes: Database, count: int) -> None:
    for numbers, new in ((range(count), count), (range(1, count + 1), 1), (range(count), 0)):
        async with notes.transaction(tenant_id=ONE) as tx:
            added = await insert_new(
                tx.session, NOTE, rows(numbers), returning=[NOTE.c.id, NOTE.c.name]
            )
        assert len(added) == new
    async with notes.transaction(tenant_id=ONE, write=False) as tx:
        kept = (await tx.session.scalars(select(NoteRow))).all()
    assert {row.name for row in kept} == {f"n{number}" for number in range(count + 1)}
    assert {row.at for row in kept} == {NOW}
    assert len({row.uid for row in kept}) == len({row.id for row in kept}) == count + 1


async def test_two_batches_of_one_transaction_do_not_meet(notes: Database) -> None:
    async with notes.transaction() as tx:
        for tenant_id in (ONE, OTHER):
            async with tx.scoped(tenant_id):
                added = await insert_new(
                    tx.session,
                    NOTE,
                    rows(range(200), tenant_id=tenant_id),
                    returning=[NOTE.c.tenant_id],
                )
                assert {row.tenant_id for row in added} == {tenant_id}
    for tenant_id in (ONE, OTHER):
        async with notes.transaction(tenant_id=tenant_id, write=False) as tx:
            assert await tx.session.scalar(select(func.count(NoteRow.id))) == 200


async def test_two_writers_of_the_same_rows_keep_each_once(notes: Database) -> None:
    async def write(numbers: range) -> int:
        async with notes.transaction(tenant_id=ONE) as tx:
            return len(await insert_new(tx.session, NOTE, rows(numbers), returning=[NOTE.c.id]))

    new = await asyncio.gather(*(write(range(start, start + 400)) for start in (0, 100, 0, 200)))
    assert sum(new) == 600


async def test_what_is_rolled_back_leaves_nothing(notes: Database) -> None:
    async def change_ones_mind() -> None:
        async with notes.transaction(tenant_id=ONE) as tx:
            await insert_new(tx.session, NOTE, rows(range(100)))
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await change_ones_mind()
    async with notes.transaction(tenant_id=ONE, write=False) as tx:
        assert await tx.session.scalar(select(func.count(NoteRow.id))) == 0


async def test_a_connection_that_is_lost_in_a_copy_is_no_fault_of_the_rows(notes: Database) -> None:
    async def lose_the_connection() -> None:
        async with notes.transaction(tenant_id=ONE) as tx:
            connection = await tx.session.connection()
            own = await connection.scalar(text("SELECT pg_backend_pid()"))
            async with notes.engine.connect() as other:
                await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
            await insert_new(tx.session, NOTE, rows(range(100)))

    with pytest.raises(DBAPIError) as failure:
        await lose_the_connection()
    assert is_away(failure.value)


async def test_a_row_that_does_not_fit_is_a_fault_of_the_rows(notes: Database) -> None:
    long = [*rows(range(100)), {"tenant_id": ONE, "name": "x" * 21, "at": NOW}]
    with pytest.raises(DBAPIError) as failure:
        async with notes.transaction(tenant_id=ONE) as tx:
            await insert_new(tx.session, NOTE, long)
    assert not is_away(failure.value)


def interaction(number: int, *, item: str = "i") -> Interaction:
    return Interaction(
        event_id=f"e{number}",
        user_id=f"u{number % 7}",
        item_id=f"{item}{number % 50}",
        interaction_type=InteractionType.VIEW,
        occurred_at=NOW,
        timed=True,
        value=None,
        session_id=None,
        request_id=None,
        metadata='{"k": "v"}',
        source="kafka",
        trace=None,
    )


async def test_tenants_may_use_the_same_event_ids(catalog: Database) -> None:
    async with catalog.transaction() as tx:
        for tenant_id in (ONE, OTHER):
            async with tx.scoped(tenant_id):
                batch = [interaction(number, item=tenant_id[:4]) for number in range(500)]
                kept = await interactions.record_all(tx, batch)
                assert not any(each.duplicate for each in kept)
    for tenant_id, other in ((ONE, OTHER), (OTHER, ONE)):
        async with catalog.transaction(tenant_id=tenant_id, write=False) as tx:
            assert await tx.session.scalar(select(func.count(InteractionRow.sequence))) == 500
            items = (await tx.session.scalars(select(ItemRow.item_id))).all()
            assert len(items) == 50
            assert not any(item.startswith(other[:4]) for item in items)


async def test_side_by_side_writers_announce_every_interaction_once(catalog: Database) -> None:
    """Numbers become visible out of order, and the walker must not step over the late ones."""
    announcements, seen = Announcements(), list[int]()
    done = asyncio.Event()

    async def write(tenant_id: str, first: int) -> None:
        for start in range(first, first + 1000, 100):
            async with catalog.transaction(tenant_id=tenant_id) as tx:
                batch = [interaction(number) for number in range(start, start + 100)]
                await interactions.record_all(tx, batch)

    async def walk() -> None:
        while True:
            last = done.is_set()
            async with catalog.engine.connect() as connection:
                waiting = await announcements.waiting(connection, limit=150)
                if waiting:
                    await announcements.sent(connection, waiting)
                    await connection.commit()
            seen.extend(record.id for record in waiting)
            if last and not waiting:
                return

    walking = asyncio.create_task(walk())
    tenants = [ONE, OTHER, str(uuid4()), str(uuid4())]
    await asyncio.gather(*(write(tenant_id, n * 1000) for n, tenant_id in enumerate(tenants)))
    done.set()
    await walking
    async with catalog.engine.connect() as connection:
        kept = (await connection.scalars(select(InteractionRow.sequence))).all()
    assert sorted(seen) == sorted(kept)
    assert len(kept) == 4000


async def test_one_tenants_partitions_read_side_by_side_count_together(empty_url: str) -> None:
    database = Database(empty_url, TrainingBase.metadata)
    await database.create_all()

    async def take(part: int) -> None:
        for start in range(0, 500, 100):
            numbers = range(part * 1000 + start, part * 1000 + start + 100)
            batch = [Kept(n, f"u{n}", "i", 1.0, n) for n in numbers]
            async with database.transaction(tenant_id=ONE) as tx:
                new = await training_interactions.insert_all(tx, batch, tenant_id=ONE)
                await training_interactions.count(tx, now=NOW, interactions=new)

    await asyncio.gather(*(take(part) for part in range(4)))
    async with database.transaction(tenant_id=ONE, write=False) as tx:
        tally = await training_interactions.tally(tx)
    await database.close()
    assert tally is not None
    assert tally.interactions == 2000


async def test_replicas_that_start_together_migrate_once(empty_url: str) -> None:
    command = (sys.executable, "-m", "chassis.migrations", "upgrade", "billing")
    own = {**os.environ, "MILLRACE_DATABASE_URL": empty_url}
    started = [await asyncio.create_subprocess_exec(*command, env=own) for _ in range(3)]
    assert {await process.wait() for process in started} == {0}
    engine = create_async_engine(empty_url)
    async with engine.connect() as connection:
        versions = (await connection.scalars(text("SELECT version_num FROM alembic_version"))).all()
    await engine.dispose()
    assert versions == [migrations.head("billing")]
