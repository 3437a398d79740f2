"""One alembic runner for all services: `python -m chassis.migrations upgrade <service>`."""

import argparse
import asyncio
import importlib
import sys
from pathlib import Path
from typing import Any, Literal

from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, TypeDecorator, text
from sqlalchemy.ext.asyncio import create_async_engine

from chassis import advisory_locks
from chassis.settings import Settings


def configuration(service: str, url: str) -> Config:
    """Return alembic's configuration for a service: its migrations folder and a database URL."""
    folder = Path(importlib.import_module(f"{service}.migrations").__path__[0])
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["url"] = url
    return config


def run(metadata: MetaData) -> None:
    """Run from a service's `migrations/env.py`: bring the database to the wanted revision."""

    def migrate(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            # Replicas that start together each bring their tables up to date: one after the other.
            turn = {"lock": advisory_locks.MIGRATIONS}
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), turn)
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            compare_type=True,
            render_item=_plain,
        )
        with context.begin_transaction():
            context.run_migrations()

    async def connected() -> None:
        engine = create_async_engine(context.config.attributes["url"])
        async with engine.begin() as connection:
            await connection.run_sync(migrate)
        await engine.dispose()

    asyncio.run(connected())


def _plain(kind: str, thing: Any, _context: Any) -> str | Literal[False]:
    """Write our own column types as the database's: a migration outlives our code."""
    if kind == "type" and isinstance(thing, TypeDecorator):
        return f"sa.{thing.impl!r}"
    return False


def upgrade(service: str, url: str, *, revision: str = "head") -> None:
    """Bring a service's database up to date; one of a newer release is left as it is.

    Migrations only add while older code may be running, so that going back to it needs none.
    """
    try:
        command.upgrade(configuration(service, url), revision)
    except CommandError as error:
        there = getattr(error.__cause__, "argument", None)
        if not there or str(there) <= (head(service) or ""):
            raise
        sys.stdout.write(f"{service}: the database is at {there}, newer than this code\n")


def head(service: str) -> str | None:
    """Return the newest revision that the code knows."""
    return ScriptDirectory.from_config(configuration(service, "")).get_current_head()


def add(service: str, message: str, url: str) -> None:
    """Write the next migration, `NNNN_sentence.py`, from the difference to the tables."""
    config = configuration(service, url)
    known = head(service)
    number = f"{int(known or 0) + 1:04d}"
    command.revision(config, message=message, autogenerate=True, rev_id=number)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m chassis.migrations", description=__doc__)
    parser.add_argument("action", choices=["upgrade", "revision", "head"])
    parser.add_argument("services", nargs="+", metavar="service")
    parser.add_argument("--message", default="change")
    chosen = parser.parse_args()
    for service in chosen.services:
        if chosen.action == "head":
            sys.stdout.write(f"{head(service)}\n")
        elif chosen.action == "upgrade":
            upgrade(service, Settings().database(service))
        else:
            add(service, chosen.message, Settings().database(service))


if __name__ == "__main__":
    main()
