"""Each service's migrations make the tables that its code maps, on both databases."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from chassis import migrations

SERVICES = ("gateway", "catalog", "training", "inference", "billing", "experiments")


def mapped(service: str) -> MetaData:
    """Return the tables that a service's code maps."""
    found: MetaData = importlib.import_module(f"{service}.store.tables").Base.metadata
    return found


@pytest.fixture
async def databases(postgres_url: str) -> AsyncIterator[list[str]]:
    """Return the URL of an empty PostgreSQL database for each service, dropped in the end."""
    names = [f"migrated_{service}" for service in SERVICES]
    engine = create_async_engine(postgres_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for name in names:
            await connection.execute(text(f"CREATE DATABASE {name}"))
        url = make_url(postgres_url)
        yield [url.set(database=name).render_as_string(hide_password=False) for name in names]
        for name in names:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


async def differences(url: str, metadata: MetaData) -> list[Any]:
    """Return what separates a database from the mapped tables."""

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(compare)
    await engine.dispose()
    return found


async def test_postgresql_gets_the_mapped_tables(databases: list[str]) -> None:
    for service, url in zip(SERVICES, databases, strict=True):
        # The runner brings an event loop of its own.
        await asyncio.to_thread(migrations.upgrade, service, url)
        assert await differences(url, mapped(service)) == [], service


@pytest.mark.parametrize("service", SERVICES)
async def test_sqlite_gets_the_mapped_tables(service: str, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/{service}.db"
    await asyncio.to_thread(migrations.upgrade, service, url)
    assert await differences(url, mapped(service)) == []


@pytest.mark.parametrize("service", SERVICES)
async def test_migrating_what_is_migrated_changes_nothing(service: str, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/{service}.db"
    for _ in range(2):
        await asyncio.to_thread(migrations.upgrade, service, url)
    assert await differences(url, mapped(service)) == []


@pytest.mark.parametrize("service", SERVICES)
def test_migrations_are_one_line_of_numbers(service: str) -> None:
    folder = Path(importlib.import_module(f"{service}.migrations").__path__[0]) / "versions"
    numbers = sorted(path.name[:4] for path in folder.glob("[0-9]*.py"))
    assert numbers == [f"{n + 1:04d}" for n in range(len(numbers))]
    assert migrations.head(service) == numbers[-1]
