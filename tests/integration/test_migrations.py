"""Every service's migrations make exactly the tables that its code maps, on PostgreSQL too."""

import asyncio
import importlib
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from chassis import migrations

SERVICES = ("gateway", "catalog", "training", "inference", "billing", "experiments")


async def database_for(service: str, postgres_url: str) -> str:
    """Make an empty database for a service and return its URL."""
    name = f"migrated_{service}"
    engine = create_async_engine(postgres_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    return make_url(postgres_url).set(database=name).render_as_string(hide_password=False)


@pytest.mark.parametrize("service", SERVICES)
async def test_the_migrated_schema_is_the_mapped_one(service: str, postgres_url: str) -> None:
    url = await database_for(service, postgres_url)
    # The runner brings an event loop of its own.
    await asyncio.to_thread(migrations.upgrade, service, url)
    metadata = importlib.import_module(f"{service}.store.tables").Base.metadata

    def differences(connection: Connection) -> Any:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, metadata)

    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()
    assert found == []
