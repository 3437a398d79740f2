"""Whoever reads a compacted topic again, without remembering it, ends in the same state.

A replay, a restored backup or a group whose offsets have expired brings announcements back that
inboxes have long forgotten. Every subscription to a compacted topic is found here by itself; an
event class without a place in the histories below fails the test.
"""

import random
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any, NamedTuple

import pytest
from sqlalchemy import delete, select

from chassis.subscriptions import Subscription
from chassis.testing import OTHER_TENANT, TENANT, Bench, on_the_bench
from contracts.billing import AllowanceChanged
from contracts.catalog import (
    DataFileChanged,
    DataFileDeleted,
    ItemChanged,
    ItemDeleted,
    ProjectChanged,
    ProjectDeleted,
)
from contracts.envelope import Event
from contracts.generations import GenerationChanged
from contracts.model_states import ModelLoaded, ModelRefused
from contracts.models import ModelReady, ModelRetired, TuningConcluded, TuningForgotten
from contracts.slots import AbTestChanged, SlotChanged, SlotDeleted
from contracts.tenants import ApiKeyRevoked, PersonErased, TenantRegistered
from contracts.topics import TOPICS, Topic, classes, topic_of
from tests.contract.snapshots import SERVICES, build

START = datetime(2026, 1, 1, tzinfo=UTC)
#: What differs from run to run and is nobody's state: ids handled, records on their way.
_NOT_STATE = {"inbox", "outbox", "alembic_version"}
#: What a process counts so that a check under way is not remembered: forgetting does no harm twice.
_COUNTERS = {"_epoch"}


class _Teller:
    """Makes events, each an hour after the one before."""

    def __init__(self) -> None:
        self._hours = 0

    def __call__(self, kind: type[Event], tenant: str, /, **members: Any) -> Event:
        self._hours += 1
        at = START + timedelta(hours=self._hours)
        return kind(tenant_id=tenant, occurred_at=at, **members)


def _projects(tell: _Teller, tenant: str, first: int) -> list[Event]:
    columns = {"user_column": "user", "item_column": "item"}
    names = [(first, "Shop"), (first + 1, "Gone"), (first, "Store"), (first + 2, "New")]
    changed = [
        tell(ProjectChanged, tenant, project_id=number, name=name, is_default=False, **columns)
        for number, name in names
    ]
    return [*changed, tell(ProjectDeleted, tenant, project_id=first + 1)]


def _files(tell: _Teller, tenant: str, first: int) -> list[Event]:
    table = {"table_key": f"{tenant}/t", "table_digest": "00" * 32, "rows": 3, "basename": "a.csv"}
    told = []
    for number, kind in enumerate(("training_data", "item_meta_data"), start=1):
        common = {"kind": kind, "project_id": first}
        ids = [first + 10 * number + each for each in range(3)]
        told += [tell(DataFileChanged, tenant, file_id=each, **common, **table) for each in ids]
        told.append(tell(DataFileChanged, tenant, file_id=ids[1], basename="a.csv", **common))
        told.append(tell(DataFileDeleted, tenant, file_id=ids[2], **common))
    return told


def _items(tell: _Teller, tenant: str) -> list[Event]:
    steps = [("a", 1, True), ("b", 1, True), ("a", 2, False), ("c", 1, True), ("c", 2, None)]
    steps += [("c", 3, True), ("b", 2, None), ("a", 3, True)]
    told = []
    for item, revision, active in steps:
        common = {"item_id": item, "revision": revision}
        if active is None:
            told.append(tell(ItemDeleted, tenant, **common))
        else:
            metadata = {"title": f"{item}{revision}"}
            told.append(tell(ItemChanged, tenant, metadata=metadata, is_active=active, **common))
    return told


def _models(tell: _Teller, tenant: str, first: int) -> list[Event]:
    def ready(model_id: int, **members: Any) -> Event:
        return tell(
            ModelReady,
            tenant,
            model_id=model_id,
            model_uid=f"uid-{model_id}",
            version=f"1.0.{model_id}",
            learner="TopPopRecommender",
            artefact_key=f"{tenant}/models/{model_id}",
            artefact_digest="00" * 32,
            artefact_bytes=1,
            interactions_seen=1,
            **members,
        )

    return [
        ready(first, project_id=first, deploy_to_slot="auto-deploy-Shop"),
        ready(first + 1, project_id=first, deploy_to_slot="auto-deploy-Shop"),
        ready(first + 2, algorithm="collaborative"),
        ready(first + 3, project_id=first),
        ready(first + 4, project_id=first, deploy_to_slot="auto-deploy-Other"),
        ready(first + 5, algorithm="collaborative", deploys_itself=False),
        tell(TuningConcluded, tenant, tuning_job_id=first, project_id=first),
        tell(TuningConcluded, tenant, tuning_job_id=first + 1, project_id=first),
        tell(ModelRetired, tenant, model_id=first),
        tell(ModelRetired, tenant, model_id=first + 4),
        tell(TuningForgotten, tenant, tuning_job_id=first + 1),
    ]


def _states(tell: _Teller, tenant: str, first: int) -> list[Event]:
    refused = {"version": f"1.0.{first}", "reason": "The signature is not training's."}
    return [
        tell(ModelRefused, tenant, model_id=first, **refused),
        tell(ModelLoaded, tenant, model_id=first + 1, version="1"),
        tell(ModelLoaded, tenant, model_id=first, version="1"),
        tell(ModelRefused, tenant, model_id=first + 1, **refused),
    ]


def _generations(tell: _Teller, tenant: str) -> list[Event]:
    steps = [("one", "running", 0), ("two", "running", 1), ("one", "running", 5)]
    steps += [("one", "completed", 9), ("two", "failed", 1)]
    return [
        tell(
            GenerationChanged,
            tenant,
            job_uid=f"{tenant[-1]}-{job}",
            state=state,
            progress=1.0 if state == "completed" else 0.5,
            users_served=served,
            requested_at=START,
            error="It was cancelled." if state == "failed" else None,
        )
        for job, state, served in steps
    ]


def _slots(tell: _Teller, tenant: str, first: int) -> list[Event]:
    def slot(slot_id: int, revision: int, weight: float) -> Event:
        told = {"name": f"slot {slot_id}", "model_id": first, "is_active": True}
        ids = {"slot_id": slot_id, "project_id": first}
        return tell(SlotChanged, tenant, **ids, **told, weight=weight, revision=revision)

    def test(revision: int, *, running: bool) -> Event:
        ids = {"test_id": first, "project_id": first}
        arms = {"control_slot_id": first, "variant_slot_id": first + 1}
        return tell(AbTestChanged, tenant, **ids, **arms, running=running, revision=revision)

    gone = {"slot_id": first + 2, "project_id": first, "revision": 2}
    return [
        slot(first, 1, 50),
        slot(first + 1, 1, 50),
        slot(first + 2, 1, 10),
        test(1, running=True),
        slot(first, 2, 70),
        tell(SlotDeleted, tenant, **gone),
        test(2, running=False),
        slot(first + 1, 2, 30),
    ]


def _allowances(tell: _Teller, tenant: str) -> list[Event]:
    return [
        tell(
            AllowanceChanged,
            tenant,
            used_centiunits=100 * revision,
            allowed_centiunits=1_000_000,
            cycle_ends_at="2026-02-01T00:00:00Z",
            revision=revision,
        )
        for revision in (1, 2, 3)
    ]


def _tenants(tell: _Teller, tenant: str, first: int) -> list[Event]:
    return [
        tell(TenantRegistered, tenant, name="Shop", owner_id=first),
        tell(ApiKeyRevoked, tenant, key_prefix=f"prefix{first}"),
        tell(PersonErased, tenant, person_uid=f"person-{first}"),
    ]


def histories() -> dict[str, list[Event]]:
    """Return what each compacted topic holds of two tenants, in the order in which it came."""
    tell = _Teller()
    told = []
    for tenant, first in ((TENANT, 1000), (OTHER_TENANT, 2000)):
        told += _tenants(tell, tenant, first)
        told += [*_projects(tell, tenant, first), *_files(tell, tenant, first)]
        told += [*_items(tell, tenant), *_models(tell, tenant, first)]
        told += [*_states(tell, tenant, first), *_generations(tell, tenant)]
        told += [*_slots(tell, tenant, first), *_allowances(tell, tenant)]
    found: dict[str, list[Event]] = {topic.name: [] for topic in COMPACTED}
    for event in told:
        found[topic_of(event).name].append(event)
    return found


COMPACTED = [topic for topic in TOPICS if topic.compacted]
HISTORIES = histories()


class Case(NamedTuple):
    """One subscription of one service to a compacted topic."""

    service: str
    name: str
    topic: Topic
    #: Whether each process holds it in memory, and no database.
    in_memory: bool

    @property
    def id(self) -> str:
        """Return a readable name."""
        return f"{self.service}.{self.name}"


def cases(folder: Path) -> list[Case]:
    """Return every subscription of every service to a compacted topic."""
    return [
        Case(service, heard.name, heard.topic, heard.style == "replica")
        for service in SERVICES
        for heard in build(service, folder / service).subscriptions
        if isinstance(heard.topic, Topic) and heard.topic.compacted
    ]


def newest(events: Sequence[Event]) -> list[Event]:
    """Return what a compacted topic keeps: the newest event of each key."""
    return list({event.key: event for event in events}.values())


def mixed(events: Sequence[Event], seed: int) -> list[Event]:
    """Return the events with their keys in another order, each key's own in its own."""
    source = random.Random(seed)
    waiting: dict[str, list[Event]] = {}
    for event in events:
        waiting.setdefault(event.key, []).append(event)
    order = []
    while waiting:
        key = source.choice(sorted(waiting))
        order.append(waiting[key].pop(0))
        if not waiting[key]:
            del waiting[key]
    return order


def again(topic: Topic) -> dict[str, list[Event]]:
    """Return the ways in which a topic comes again."""
    whole = HISTORIES[topic.name]
    return {
        "the newest of each key": newest(whole),
        "everything": whole,
        "a part and then everything": [*whole[: len(whole) // 2], *whole],
        "in reverse": newest(whole)[::-1],
        **{f"keys mixed by {seed}": mixed(whole, seed) for seed in range(4)},
        **{f"newest mixed by {seed}": mixed(newest(whole), seed) for seed in range(2)},
    }


async def state(bench: Bench) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of all tables that are state, and the announcements made so far."""
    tables = bench.database.metadata.sorted_tables
    found = {}
    async with bench.database.engine.connect() as connection:
        for table in tables:
            rows = (await connection.execute(select(table))).all()
            if table.name not in _NOT_STATE:
                found[table.name] = sorted(map(tuple, rows), key=repr)
            elif table.name == "outbox":
                found[table.name] = sorted((row.topic, row.key, row.value) for row in rows)
    return found


async def forget(bench: Bench) -> None:
    """Empty the inbox, as time does."""
    async with bench.database.engine.begin() as connection:
        await connection.execute(delete(bench.database.metadata.tables["inbox"]))


async def deliver(bench: Bench, subscription: Subscription, events: Sequence[Event]) -> None:
    """Hand events to one subscription, as it would read them."""
    for event in events:
        await bench.deliver(event, to=subscription.name)


def chosen(bench: Bench, case: Case) -> Subscription:
    """Return a case's subscription in a service that runs."""
    return next(
        heard
        for heard in bench.service.subscriptions
        if (heard.name, heard.topic) == (case.name, case.topic)
    )


def test_the_histories_hold_every_event_of_a_compacted_topic() -> None:
    for topic in COMPACTED:
        told = {type(event) for event in HISTORIES[topic.name]}
        assert told == set(classes(topic.schema)), topic.name


def memory(thing: Any, seen: frozenset[int] = frozenset()) -> Any:
    """Return all that a handler holds in memory, as far as it is ours: members of our own objects,
    and containers of those.
    """
    if id(thing) in seen:
        return "itself"
    seen |= {id(thing)}
    if isinstance(thing, str | bytes | int | float | bool | datetime | None):
        return repr(thing)
    if isinstance(thing, Mapping):
        pairs = [(repr(key), memory(value, seen)) for key, value in thing.items()]
        return sorted(pairs, key=repr)
    if isinstance(thing, list | tuple | set | frozenset | deque):
        return sorted((memory(value, seen) for value in thing), key=repr)
    if isinstance(thing, FunctionType):
        return [memory(cell.cell_contents, seen) for cell in thing.__closure__ or ()]
    if isinstance(thing, MethodType):
        return memory(thing.__self__, seen)
    if type(thing).__module__.split(".")[0] not in SERVICES:
        return type(thing).__name__
    members = {
        name: getattr(thing, name, None)
        for name in [*getattr(type(thing), "__slots__", ()), *getattr(thing, "__dict__", {})]
        if name not in _COUNTERS
    }
    return [type(thing).__name__, memory(members, seen)]


async def _made(*_topics: Any) -> None:
    """Stand in for Kafka, which makes a topic that is there no second time."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each subscription that the services have today."""
    if wanted := {"kept", "held"}.intersection(metafunc.fixturenames):
        with tempfile.TemporaryDirectory() as folder:
            found = cases(Path(folder))
        name = wanted.pop()
        chosen = [case for case in found if case.in_memory == (name == "held")]
        metafunc.parametrize(name, chosen, ids=[case.id for case in chosen])


async def test_a_topic_that_comes_again_changes_no_row_and_announces_nothing(
    kept: Case, tmp_path: Path
) -> None:
    async with on_the_bench(build(kept.service, tmp_path)) as bench:
        for case in (each for each in cases(tmp_path / "all") if each.service == kept.service):
            if not case.in_memory:
                await deliver(bench, chosen(bench, case), HISTORIES[case.topic.name])
        before = await state(bench)
        assert any(before.values())
        for way, events in again(kept.topic).items():
            await forget(bench)
            await deliver(bench, chosen(bench, kept), events)
            assert await state(bench) == before, way


async def test_a_topic_that_comes_again_changes_nothing_that_a_process_holds(
    held: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.topics.ensure", _made)
    async with on_the_bench(build(held.service, tmp_path)) as bench:
        subscription = chosen(bench, held)
        await deliver(bench, subscription, HISTORIES[held.topic.name])
        before = memory(subscription.handler)
        for way, events in again(held.topic).items():
            await deliver(bench, subscription, events)
            assert memory(subscription.handler) == before, way
