"""The migrations lead to the tables that the code knows."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from chassis.migrations import upgrade
from gateway.store.tables import Base


def test_the_migrated_schema_is_the_schema_of_the_tables(tmp_path: Path) -> None:
    file = tmp_path / "gateway.db"
    upgrade("gateway", f"sqlite+aiosqlite:///{file}")
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()
