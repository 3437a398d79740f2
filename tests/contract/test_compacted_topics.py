"""Nothing moves when a compacted topic comes again, whole or in part, and no inbox knows of it.

That is what a restore, a Kafka filled again and expired offsets do. Every subscription of every
service is found by looking, so a new one is held to this, too.
"""

import inspect
import json
import random
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from sqlalchemy import delete, select

import catalog.app
import training.app
from chassis.documents import open_documents
from chassis.subscriptions import Subscription
from chassis.testing import ADMIN, Bench, FrozenClock, on_the_bench, record_of
from contracts.topics import Topic, classes
from tests.contract.compacted_history import BEGAN, DEPLOYED, MODELS, RETIRED, facts, history
from tests.contract.snapshots import SERVICES, build
from training.store import registry
from training.tests.standins import FakeCompute

_KEPT_ASIDE = {"inbox"}
_SEEDS = (1, 2, 3)
_DOCUMENTS = ("histories", "items", "sessions")


def _compacted(subscriptions: Sequence[Subscription]) -> list[Subscription]:
    return [s for s in subscriptions if isinstance(s.topic, Topic) and s.topic.compacted]


def _named(service: str, folder: Path) -> list[str]:
    return [each.name for each in _compacted(build(service, folder).subscriptions)]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Subscription]]:
    """Return every subscription of a compacted topic, with its service."""
    return [
        (service, subscription)
        for service in SERVICES
        for subscription in _compacted(
            build(service, tmp_path_factory.mktemp(service)).subscriptions
        )
    ]


def test_the_history_has_all_that_anybody_listens_to(
    found: list[tuple[str, Subscription]],
) -> None:
    """A new class or subscription needs its part of the history: several keys of both tenants."""
    happened = history()
    for service, subscription in found:
        assert isinstance(subscription.topic, Topic)
        for kind in subscription.only or classes(subscription.topic.schema):
            keys = {event.key for event in happened if isinstance(event, kind)}
            assert len(keys) >= 2, f"{service}.{subscription.name}: {kind.__name__}"
            assert len({key.partition(":")[0] for key in keys}) >= 2


class World:
    """A service after the whole history, and after what people did since."""

    def __init__(self, bench: Bench, clock: FrozenClock) -> None:
        self.bench = bench
        self.clock = clock

    async def live(self) -> None:
        """Let everything happen."""
        happened = history()
        await _before(self.bench)
        # Batches, as a consumer would hand them over; topics are read side by side.
        for start in range(0, len(happened), 9):
            await self.bench.deliver(*happened[start : start + 9])
        await self.bench.deliver(*facts())
        await self.bench.erase_due()
        await _afterwards(self.bench)
        self.clock.advance(days=20)

    async def read_again(
        self, subscription: Subscription, records: Sequence[ConsumerRecord], *, at_once: int
    ) -> None:
        """Read records as a consumer does whose offsets and inbox are lost."""
        table = self.bench.database.metadata.tables["inbox"]
        async with self.bench.database.engine.begin() as connection:
            await connection.execute(delete(table))
        dispatcher = self.bench.dispatcher(subscription)
        for start in range(0, len(records), at_once):
            await dispatcher.handle(records[start : start + at_once])

    async def state(self) -> dict[str, Any]:
        """Return all rows, announcements included, all documents, and what is held in memory."""
        found: dict[str, Any] = {}
        async with self.bench.database.engine.connect() as connection:
            for name, table in self.bench.database.metadata.tables.items():
                if name not in _KEPT_ASIDE:
                    rows = await connection.execute(select(table))
                    found[name] = sorted(repr(tuple(row)) for row in rows)
        if self.bench.service.name == "inference":
            found["documents"] = await self._documents()
        for subscription in self.bench.service.subscriptions:
            if subscription.style == "replica":
                found[f"memory of {subscription.name}"] = plain(holder_of(subscription.handler))
        return found

    async def _documents(self) -> list[str]:
        documents = open_documents(self.bench.service.settings.documents("inference"))
        try:
            return [
                json.dumps(each, sort_keys=True, default=str)
                for collection in _DOCUMENTS
                for tenant in sorted({event.tenant_id for event in facts()})
                for each in await documents.find(collection, tenant_id=tenant, sort=["id"])
            ]
        finally:
            await documents.close()


@pytest.fixture
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Return a service to which all of it has happened."""
    monkeypatch.setattr(training.app, "open_compute", lambda _url, **_others: FakeCompute())
    monkeypatch.setattr(catalog.app, "_topic_remover", lambda _settings: no_topics)
    service = build(request.param, tmp_path)
    clock = service.database.clock = FrozenClock(BEGAN + timedelta(hours=3))
    async with on_the_bench(service) as bench:
        made = World(bench, clock)
        await made.live()
        yield made


async def no_topics(_tenant_id: str) -> Mapping[str, int]:
    """Stand in for a Kafka where a deleted tenant has no topics."""
    return {}


@pytest.mark.parametrize("world", SERVICES, indirect=True)
async def test_a_topic_that_comes_again_changes_nothing(world: World) -> None:
    before = await world.state()
    for subscription in _compacted(world.bench.service.subscriptions):
        assert isinstance(subscription.topic, Topic)
        kinds = classes(subscription.topic.schema)
        log = [
            record_of(event, offset)
            for offset, event in enumerate(e for e in history() if isinstance(e, kinds))
        ]
        for way, records, at_once in _ways(log):
            await world.read_again(subscription, records, at_once=at_once)
            if way == "a part":
                continue  # the rest follows; here a replica may be behind
            after = await world.state()
            for name in before:
                assert after[name] == before[name], f"{subscription.name}, {way}: {name}"


def _ways(log: list[ConsumerRecord]) -> Iterator[tuple[str, list[ConsumerRecord], int]]:
    """Yield what a topic may hold of its log, with how many records come at once."""
    newest = list({record.key: record for record in log}.values())
    yield "the whole log", log, 500
    yield "the whole log, one by one", log, 1
    yield "the newest of each key", newest, 500
    for seed in _SEEDS:
        chance = random.Random(seed)
        yield f"the newest in order {seed}", chance.sample(newest, len(newest)), 7
        yield f"keys interleaved in order {seed}", _interleaved(log, chance), 7
        yield "a part", log[: chance.randrange(1, len(log))], 5
        yield f"and then the whole, after part {seed}", log, 500


def _interleaved(log: Sequence[ConsumerRecord], chance: random.Random) -> list[ConsumerRecord]:
    """Return the log with its keys in another order, each key's own records as they were."""
    of_key: dict[bytes, list[ConsumerRecord]] = {}
    for record in log:
        of_key.setdefault(record.key or b"", []).append(record)
    turns = [record.key or b"" for record in log]
    chance.shuffle(turns)
    queues = {key: iter(records) for key, records in of_key.items()}
    mixed = [next(queues[key]) for key in turns]
    assert all(a.offset < b.offset for k in of_key for a, b in pairwise(_only(mixed, k)))
    return mixed


def _only(records: Sequence[ConsumerRecord], key: bytes) -> list[ConsumerRecord]:
    return [record for record in records if record.key == key]


async def _before(bench: Bench) -> None:
    """Make what the history speaks of and the service itself would have made."""
    if bench.service.name != "training":
        return
    for number, tenant in enumerate(sorted({event.tenant_id for event in history()})):
        async with bench.database.transaction(tenant_id=tenant) as tx:
            for model_id in MODELS:
                await registry.models.add(tx, id=model_id + number * 1000, project=None)


async def _afterwards(bench: Bench) -> None:
    """Let people change by hand what schedules had deployed."""
    if bench.service.name != "experiments":
        return
    async with bench.as_caller(ADMIN) as client:
        slots = (await client.get("/api/v1/deployment_slot/")).json()["results"]
        named = {slot["name"]: slot["id"] for slot in slots}
        assert set(named) == set(DEPLOYED)
        gone = await client.delete(f"/api/v1/deployment_slot/{named['removed']}/")
        assert gone.status_code == 204, gone.text
        body = {"trained_model": MODELS[0], "weight": 1, "is_active": False}
        moved = await client.patch(f"/api/v1/deployment_slot/{named['moved']}/", json=body)
        assert moved.status_code == 200, moved.text
        arms = {"control_slot": named["kept"], "variant_slot": named["moved"]}
        test = await client.post("/api/v1/ab_test/", json={"project": 1, "name": "t"} | arms)
        assert test.status_code == 201, test.text
        begun = await client.post(f"/api/v1/ab_test/{test.json()['id']}/start/")
        assert begun.status_code == 200, begun.text
    assert RETIRED not in [slot["trained_model"] for slot in slots]


def holder_of(handler: Callable[..., Any]) -> Any:
    """Return what a replica's handler fills: its object, or what it closes over."""
    if inspect.ismethod(handler):
        return handler.__self__
    return dict(inspect.getclosurevars(handler).nonlocals)


def plain(value: Any, seen: frozenset[int] = frozenset()) -> Any:
    """Return what an object of ours holds as plain values; what it calls upon is left out."""
    if value is None or isinstance(value, str | bytes | int | float):
        return value
    if id(value) in seen:
        return "…"
    seen |= {id(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each, seen) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(str(each) for each in value)
    if isinstance(value, Collection):
        return [plain(each, seen) for each in value]
    if type(value).__module__.partition(".")[0] not in (*SERVICES, "tests"):
        return type(value).__name__
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name), seen) for each in fields(value)}
    return {name: plain(each, seen) for name, each in vars(value).items()}
