"""Catalog on a throw-away database, and what its relay would announce."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

import catalog.app
from catalog.app import build
from catalog.store.announcements import Announcements
from chassis.outbox import Outgoing
from chassis.problems import Unavailable
from chassis.relay import Relay
from chassis.testing import OTHER_TENANT, TENANT, Bench, on_the_bench, settings_in
from contracts.interactions import InteractionRecorded
from contracts.tenants import TenantRegistered
from contracts.topics import INTERACTIONS

Announced = Callable[[], Awaitable[list[InteractionRecorded]]]


class Topics:
    """Remembers what would have reached Kafka."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        self.records.extend(records)


class IngestTopicMaker:
    """Stands in for the Kafka that makes tenants' topics."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.is_away = False

    async def __call__(self, tenants: Sequence[str]) -> None:
        if self.is_away:
            raise Unavailable("Kafka makes no topics at present; try again.")
        self.made.extend(tenants)


@pytest.fixture
def ingest_kafka(monkeypatch: pytest.MonkeyPatch) -> IngestTopicMaker:
    """Return what makes the tenants' topics."""
    maker = IngestTopicMaker()
    monkeypatch.setattr(catalog.app, "_topic_maker", lambda _settings: maker)
    return maker


@pytest.fixture
async def bench(tmp_path: Path, ingest_kafka: IngestTopicMaker) -> AsyncIterator[Bench]:
    """Catalog with two tenants, each with its default project: 1 and 2."""
    async with on_the_bench(build(settings_in(tmp_path))) as bench:
        for tenant_id, owner in ((TENANT, 1), (OTHER_TENANT, 9)):
            await bench.deliver(
                TenantRegistered(
                    tenant_id=tenant_id,
                    occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
                    name="somebody",
                    owner_id=owner,
                ),
                to="tenants",
            )
        yield bench


@pytest.fixture
def topics(bench: Bench) -> Topics:
    """What the relay sent so far."""
    return Topics()


@pytest.fixture
def relay(bench: Bench, topics: Topics) -> Relay:
    """The relay, to be swept by hand."""
    return Relay(bench.database, topics, sources=(Announcements(),))


@pytest.fixture
def announced(relay: Relay, topics: Topics) -> Announced:
    """Let everything leave and return the interactions that others have heard of."""

    async def sweep() -> list[InteractionRecorded]:
        while await relay.sweep():
            pass
        return [
            InteractionRecorded.model_validate_json(record.value)
            for record in topics.records
            if record.topic == INTERACTIONS.name
        ]

    return sweep
