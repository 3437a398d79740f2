"""What each service holds, read from its own store, held against what the load was promised."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from pymongo import MongoClient

from contracts.topics import MODEL_READY, SERVINGS
from embedded import backends
from embedded.home import Home
from embedded.records import read_stack
from tests.chaos import records
from tests.chaos.load import CONVERSION, INTERACTION, STREAMED, Load

Rows = list[tuple[Any, ...]]
#: Ids of events that tests write past the services begin so.
FORGED = "forged:"


@dataclass
class Findings:
    """What is wrong between the load and the books; nothing, in the end."""

    lost: int = 0
    doubled: int = 0
    sentences: list[str] = field(default_factory=list)

    def compare(self, what: str, held: int, promised: int) -> None:
        """Compare two numbers that have to be the same."""
        self.between(what, held, promised, promised)

    def between(self, what: str, held: int, least: int, most: int) -> None:
        """Compare what is held with the least and the most that it may be."""
        self.lost += max(0, least - held)
        self.doubled += max(0, held - most)
        if not least <= held <= most:
            self.sentences.append(f"{what}: {held}, not {least} to {most}")

    def once(self, what: str, held: Counter[str], promised: set[str]) -> None:
        """Compare ids with those that have to be there once each, and no others."""
        missing = promised - held.keys()
        surplus = sum(held.values()) - len(held) + len(held.keys() - promised)
        self.lost += len(missing)
        self.doubled += surplus
        if missing or surplus:
            self.sentences.append(f"{what}: {len(missing)} missing, {surplus} too many")


class Shelves(Protocol):
    """Where a profile keeps its books."""

    def rows(self, service: str, query: str) -> Rows:
        """Return the rows of a query on a service's database, beside the running service."""
        ...

    def histories(self, tenant: str) -> list[dict[str, Any]]:
        """Return a tenant's documents with users' histories."""
        ...


@dataclass(frozen=True, slots=True)
class Files:
    """The embedded profile: SQLite files."""

    home: Path

    def rows(self, service: str, query: str) -> Rows:
        """Return the rows of a query."""
        return _sqlite(self.home / service / f"{service}.db", query)

    def histories(self, tenant: str) -> list[dict[str, Any]]:
        """Return a tenant's documents with users' histories."""
        query = f"{_of('id, body', 'documents', tenant, 'tenant')} and collection = 'histories'"
        found = _sqlite(self.home / "inference" / "documents.db", query)
        return [{**json.loads(body), "id": user} for user, body in found]


@dataclass(frozen=True, slots=True)
class Servers:
    """The profile of real servers: PostgreSQL and MongoDB's protocol."""

    home: Path

    def rows(self, service: str, query: str) -> Rows:
        """Return the rows of a query."""
        url = self._addresses["MILLRACE_DATABASE_URL"].replace("{service}", service)
        return records.run(_postgresql(url.replace("+asyncpg", ""), query))

    def histories(self, tenant: str) -> list[dict[str, Any]]:
        """Return a tenant's documents with users' histories."""
        with MongoClient[dict[str, Any]](self._addresses["MILLRACE_DOCUMENTS_URL"]) as client:
            found = client.get_default_database()["histories"].find({"tenant": tenant})
            return [one["document"] for one in found]

    @property
    def _addresses(self) -> dict[str, str]:
        stack = read_stack(Home(self.home))  # each start takes other ports
        assert stack is not None
        return backends.addresses(stack)


async def _postgresql(url: str, query: str) -> Rows:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


def _sqlite(database: Path, query: str) -> Rows:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def findings(shelves: Shelves, load: Load, *, may_give_up: bool = False) -> Findings:
    """Return what is wrong now; the load rests.

    `may_give_up` says that services died over trainings more often than those are tried again.
    """
    found = Findings()
    tenant = load.target.tenant_id
    interactions = load.interactions
    conversions = set(load.ledgers[CONVERSION].sent)

    kept = shelves.rows("catalog", _of("event_id", "interaction", tenant))
    found.once("catalog", Counter(row[0] for row in kept), set(interactions))

    counted = shelves.rows("experiments", _of("event_id", "conversion", tenant))
    found.once("experiments", Counter(row[0] for row in counted), conversions)
    [(tallied,)] = shelves.rows("experiments", _of("sum(clicks)", "tally", tenant))
    # What was kept while the clock stood before the test's beginning lies outside of its window.
    window = f"occurred_at >= ({_of('min(started_at)', 'ab_test', tenant)})"
    [(inside,)] = shelves.rows(
        "experiments", f"{_of('count(*)', 'conversion', tenant)} and {window}"
    )
    found.compare("tallies", int(tallied), int(inside))

    [(known,)] = shelves.rows("training", _of("count(*)", "interactions", tenant))
    found.compare("training's replica", int(known), len(interactions))

    met = {(each["userId"], each["itemId"]) for each in interactions.values()}
    histories = shelves.histories(tenant)
    remembered = {(one["id"], item[0]) for one in histories for item in one["items"]}
    found.once("histories", Counter(map(str, remembered)), set(map(str, met)))

    served = set(_announced(load, SERVINGS.name))
    found.once("servings", Counter(load.served - served), set())
    most = len(load.served) + load.unanswered
    found.between("answers announced", len(served), len(load.served), most)
    _usage(shelves, load, found, served=len(served))
    _models(shelves, load, found, may_give_up=may_give_up)
    return found


def _of(columns: str, table: str, tenant_id: str, member: str = "tenant_id") -> str:
    return f"select {columns} from {table} where {member} = '{tenant_id}'"  # noqa: S608 - our own


def _usage(shelves: Shelves, load: Load, found: Findings, *, served: int) -> None:
    query = _of("sum(centiunits)", "usage", load.target.tenant_id)
    [(used,)] = shelves.rows("billing", query)
    single = len(load.ledgers[INTERACTION].sent) + len(load.ledgers[CONVERSION].sent) + served
    found.compare("billing", int(used or 0), 100 * single + len(load.ledgers[STREAMED].sent))


def _models(shelves: Shelves, load: Load, found: Findings, *, may_give_up: bool) -> None:
    """Every ordered model was trained and announced once; an order without an answer may count.

    What algorithms train of themselves is nobody's order.
    """
    own = f"{_of('model_id, state, error', 'jobs', load.target.tenant_id)} and algorithm is null"
    jobs = shelves.rows("training", own)
    done = Counter(str(model) for model, state, _error in jobs if state == "completed")
    given_up = Counter(str(model) for model, _state, error in jobs if _is_given_up(error))
    ended = done + given_up if may_give_up else done
    ordered = {str(model) for model in load.models}
    found.once("trainings", +(ended & Counter(ordered)), ordered)
    most = len(ordered) + load.unconfirmed
    found.between("jobs", len(jobs), len(ordered), most)
    found.compare("unfinished jobs", len(jobs) - sum(ended.values()), 0)
    events = _announced(load, MODEL_READY.name).values()
    ready = Counter(
        str(each["model_id"])
        for each in events
        if each["type"] == "ModelReady" and not each.get("algorithm")
    )
    found.once("announced models", ready, set(done))


def _is_given_up(error: str | None) -> bool:
    return (error or "").startswith("The service stopped")


def _announced(load: Load, topic: str) -> dict[str, dict[str, Any]]:
    """Return the tenant's sound events of a topic by their ids, those excepted that tests forge."""
    events = [each.event for each in records.read(load.target.kafka, topic)]
    ours = [each for each in events if each.get("tenant_id") == load.target.tenant_id]
    return {each["event_id"]: each for each in ours if not each["event_id"].startswith(FORGED)}
