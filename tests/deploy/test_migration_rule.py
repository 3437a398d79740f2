"""Old pods run beside the new schema: a migration only adds, and what takes away says so."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.deploy.migration_rule import breaches
from tests.running import RunningStack

MIGRATIONS = sorted(
    (Path(__file__).resolve().parents[2] / "services").glob("*/migrations/versions/[0-9]*.py")
)


@pytest.mark.parametrize("file", MIGRATIONS, ids=lambda file: f"{file.parts[-4]}-{file.stem[:4]}")
def test_every_migration_leaves_old_code_running(file: Path) -> None:
    assert breaches(file) == []


@pytest.mark.parametrize(
    "line",
    [
        'op.drop_table("item")',
        'op.drop_column("item", "colour")',
        'batch_op.drop_column("colour")',
        'op.rename_table("item", "thing")',
        'op.add_column("item", sa.Column("colour", sa.String(9), nullable=False))',
        'op.alter_column("item", "colour", nullable=False)',
        'op.alter_column("item", "colour", new_column_name="color")',
        'op.alter_column("item", "size", type_=sa.SmallInteger())',
        'op.execute("ALTER TABLE item DROP COLUMN colour")',
    ],
)
def test_what_old_code_could_not_live_with_is_found(line: str, tmp_path: Path) -> None:
    assert len(breaches(migration(tmp_path, line))) == 1
    marked = migration(tmp_path, line, first='contracts = "unused since 0.2"\n')
    assert breaches(marked) == []


@pytest.mark.parametrize(
    "line",
    [
        'op.create_table("item", sa.Column("colour", sa.String(9), nullable=False))',
        'op.add_column("item", sa.Column("colour", sa.String(9), nullable=True))',
        'op.add_column("item", sa.Column("n", sa.Integer(), nullable=False, server_default="0"))',
        'op.create_index("ix_item_colour", "item", ["colour"])',
        'op.alter_column("item", "colour", nullable=True)',
    ],
)
def test_what_only_adds_is_fine(line: str, tmp_path: Path) -> None:
    assert breaches(migration(tmp_path, line)) == []


def test_older_code_leaves_a_newer_database_as_it_is(tmp_path: Path) -> None:
    stack = RunningStack.planned(tmp_path / "home")
    stack.home.mkdir()
    stack.command("migrate", "billing")
    file = stack.home / "billing" / "billing.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    assert "9999" in stack.command("migrate", "billing")


def migration(folder: Path, line: str, *, first: str = "") -> Path:
    file = folder / "0002_change.py"
    head = "import sqlalchemy as sa\nfrom alembic import op\n\n"
    file.write_text(f"{head}{first}\ndef upgrade() -> None:\n    {line}\n")
    return file
