"""The migrations make exactly the tables that the code maps."""

import asyncio
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from chassis import migrations
from training.store.tables import Base


async def test_the_migrated_schema_is_the_mapped_one(tmp_path: Path) -> None:
    file = tmp_path / "training.db"
    # The runner brings an event loop of its own.
    await asyncio.to_thread(migrations.upgrade, "training", f"sqlite+aiosqlite:///{file}")
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()
