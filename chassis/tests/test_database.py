"""The embedded database: the common behaviour."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.database import Database
from chassis.testing.databases import Base, DatabaseBehaviour
from chassis.testing.deletions import DeletionBehaviour


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(f"sqlite+aiosqlite:///{tmp_path}/notes.db", Base.metadata)
    await made.create_all()
    yield made
    await made.close()


class TestEmbeddedDatabase(DatabaseBehaviour, DeletionBehaviour):
    """Runs the common behaviour."""
