"""Interactions on a real PostgreSQL: many writers at once, and a relay that skips none."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from catalog.domain.interactions import Interaction, Kept
from catalog.operations import interactions
from catalog.store.announcements import Announcements
from catalog.store.tables import Base
from chassis.database import Database
from chassis.outbox import Outgoing
from chassis.relay import Relay
from contracts.interactions import InteractionRecorded, InteractionType
from contracts.topics import INTERACTIONS

TENANTS = tuple(f"00000000-0000-4000-8000-00000000000{n}" for n in range(1, 4))
NOW = datetime(2026, 1, 15, tzinfo=UTC)


class Topics:
    """Remembers what was sent."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        self.records.extend(records)

    @property
    def interactions(self) -> list[InteractionRecorded]:
        return [
            InteractionRecorded.model_validate_json(record.value)
            for record in self.records
            if record.topic == INTERACTIONS.name
        ]


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    database = Database(postgres_url, Base.metadata)
    await database.create_all()
    yield database
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
    await database.close()


def interaction(event_id: str, user_id: str = "u") -> Interaction:
    return Interaction(event_id, user_id, "i", InteractionType.VIEW, NOW)


async def keep(database: Database, tenant_id: str, ids: Sequence[str]) -> int:
    """Keep interactions, linger before the commit, and return how many were new."""
    async with database.transaction(tenant_id=tenant_id) as tx:
        kept = await interactions.keep(tx, [interaction(each) for each in ids])
        # A transaction that commits late has numbers below those of one that committed early.
        await asyncio.sleep(random.uniform(0, 0.02))
    return sum(isinstance(each, Kept) and not each.duplicate for each in kept)


async def test_the_relay_steps_over_no_writer_that_commits_late(database: Database) -> None:
    topics = Topics()
    relay = Relay(database, topics, sources=(Announcements(),), batch=50)

    async def write(writer: int) -> None:
        for turn in range(20):
            ids = [f"{writer}-{turn}-{n}" for n in range(5)]
            await keep(database, TENANTS[writer % 3], ids)

    writing = asyncio.gather(*(write(writer) for writer in range(6)))
    while not writing.done():
        await relay.sweep()
        await asyncio.sleep(0)
    await writing
    while await relay.sweep():
        pass
    heard = Counter(each.event_id for each in topics.interactions)
    assert len(heard) == 6 * 20 * 5
    assert set(heard.values()) == {1}


async def test_writers_that_race_for_one_event_keep_it_once(database: Database) -> None:
    ids = [f"e{n}" for n in range(20)]
    new = await asyncio.gather(*(keep(database, TENANTS[0], ids) for _ in range(8)))
    assert sorted(new) == [0] * 7 + [20]


async def test_an_event_that_races_with_another_body_is_refused(database: Database) -> None:
    recorder = interactions.Recorder(database)
    other = interactions.Recorder(database)
    found = await asyncio.gather(
        recorder.record(TENANTS[0], interaction("e", "u")),
        other.record(TENANTS[0], interaction("e", "v")),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in found) == ["Conflict", "Kept"]
