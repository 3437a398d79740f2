"""The migrations make exactly the tables that the code maps, and keep what was known."""

import asyncio
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from billing.store.tables import Base
from chassis import migrations


async def test_the_migrated_schema_is_the_mapped_one(tmp_path: Path) -> None:
    file = tmp_path / "billing.db"
    # The runner brings an event loop of its own.
    await asyncio.to_thread(migrations.upgrade, "billing", f"sqlite+aiosqlite:///{file}")
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


async def test_who_was_known_before_is_counted_and_what_was_bought_is_asked_about(
    tmp_path: Path,
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'billing.db'}"
    script = ScriptDirectory.from_config(migrations.configuration("billing", url))
    [counting] = [each for each in script.walk_revisions() if hasattr(each.module, "_look_at_all")]
    before = str(counting.down_revision)
    await asyncio.to_thread(migrations.upgrade, "billing", url, revision=before)
    engine = create_engine(url.replace("+aiosqlite", ""))
    with engine.begin() as connection:
        for told in (
            "INSERT INTO known_user (tenant_id, user_id) VALUES ('t', 'a'), ('t', 'b'), ('s', 'a')",
            "INSERT INTO known_item (tenant_id, item_id, revision, is_there) "
            "VALUES ('t', 'i', 1, true), ('t', 'j', 1, false), ('r', 'i', 1, true)",
            "INSERT INTO purchase (key, tenant_id, said, unclaimed) VALUES ('p', 't', '{}', false)",
        ):
            connection.exec_driver_sql(told)
    await asyncio.to_thread(migrations.upgrade, "billing", url)
    with engine.connect() as connection:
        counted = connection.exec_driver_sql("SELECT tenant_id, users, items FROM known_count")
        assert sorted(map(tuple, counted)) == [("r", 0, 1), ("s", 1, 0), ("t", 2, 1)]
        [look_at] = connection.exec_driver_sql("SELECT look_at FROM purchase").scalars()
        assert look_at is not None
    engine.dispose()
