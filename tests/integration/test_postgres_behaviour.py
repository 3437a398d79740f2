"""The database behaves the same on PostgreSQL as on SQLite, and does not wait for ever."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from chassis import postgresql
from chassis.away import is_away
from chassis.database import Database
from chassis.testing.databases import Base, DatabaseBehaviour, read, write
from chassis.testing.deletions import DeletionBehaviour


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """Return a database of this test's own."""
    name = f"behaviour_{uuid4().hex[:12]}"
    engine = create_async_engine(postgres_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        made = Database(url, Base.metadata)
        await made.create_all()
        yield made
        await made.close()
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


class TestPostgres(DatabaseBehaviour, DeletionBehaviour):
    """Runs the common behaviour."""


async def test_a_statement_that_never_ends_is_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "_STATEMENT", 0.5)
    hasty = Database(database.url, Base.metadata)
    try:
        with pytest.raises(TimeoutError) as caught:
            async with hasty.transaction(tenant_id=None) as tx:
                await tx.session.execute(text("SELECT pg_sleep(60)"))
        assert is_away(caught.value)
        await write(hasty, "and the next one is answered")
        assert await read(hasty) == ["and the next one is answered"]
    finally:
        await hasty.close()
