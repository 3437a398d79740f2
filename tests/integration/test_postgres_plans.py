"""What services ask PostgreSQL all the time is answered by an index, however much there is."""

import importlib
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Executable, Table, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from billing.domain.plans import STARTER
from billing.domain.subscriptions import first_subscription
from billing.store import caps as billing_caps
from billing.store import charges as billing_charges
from billing.store import counts as billing_counts
from billing.store import past_plans as billing_past_plans
from billing.store import purchases as billing_purchases
from billing.store import subscriptions as billing_subscriptions
from billing.store import usage as billing_usage
from catalog.store import data_files, outcomes, projects
from catalog.store import interactions as catalog_interactions
from catalog.store import items as catalog_items
from catalog.store.announcements import Announcements
from chassis import deleted_tenants, inbox, outbox, postgresql
from chassis.database import Database, Transaction
from experiments.domain.exposures import Facts, Marks
from experiments.store import ab_tests, analytics, conversions, exposures
from experiments.store import slots as experiment_slots
from gateway.store import api_keys, people, sessions
from inference.store import popularity
from inference.store import recommendations as generated
from training.store import interactions as training_interactions
from training.store import jobs, logs
from training.store import pruning as training_pruning
from training.store import replicas as training_replicas
from training.store import schedules as training_schedules

NOW = datetime(2026, 6, 1, tzinfo=UTC)
#: The same in microseconds since 1970.
NOW_US = int(NOW.timestamp()) * 1_000_000
ROWS, TENANTS = 12_000, 200
TENANT = "tenant-7"
BILLED = first_subscription(NOW, provisional=False)
RECORD = Path(__file__).parents[2] / "docs" / "plans.md"
#: Rows that a step may read and then leave out: less than half of what that tenant has.
IN_VAIN = 500
Ask = Callable[[Transaction], Awaitable[Any]]
#: Columns whose values matter to what is asked; the others are made up from their type.
CHOSEN: dict[str, Callable[[int], Any]] = {
    # A tenth is one tenant's, so that it shows when all that a tenant has is looked through.
    "tenant_id": lambda n: TENANT if n % 10 == 7 else f"tenant-{n % TENANTS}",
    "uid": lambda n: f"uid-{n}",
    "state": lambda n: "pending" if n % 1000 == 0 else "completed",
    "attempt": lambda n: 0,
    "ended_at": lambda n: None,
    "sent_at": lambda n: NOW if n % 1000 else None,
    "touched": lambda n: n % 1000 == 0,
    "announced_until": lambda n: NOW + timedelta(days=1, seconds=n % 1000 - 86_400 * (n < 20)),
    "closes_at": lambda n: NOW + timedelta(seconds=n - 20),
    "due_at": lambda n: NOW + timedelta(seconds=n - 20),
    "look_at": lambda n: NOW + timedelta(seconds=n - 20),
    "next_run_at": lambda n: NOW + timedelta(seconds=n - 20),
    "erase_at": lambda n: NOW if n % 1000 == 0 else None,
    "customer": lambda n: None,
    "role": lambda n: "user",
    "scopes": lambda n: "read",
    "retired": lambda n: False,
    "is_deleted": lambda n: False,
    "is_default": lambda n: n == 7,
    "algorithm": lambda n: None,
    "conversion_type": lambda n: "click",
    "interaction_type": lambda n: "view",
}
#: Tables that have one row for each tenant.
ONE_FOR_EACH = {
    *("subscription", "tallies", "usage", "tally", "known_count", "ingest_tenant"),
    *("deleted_tenant", "tenant_deletion", "erasure_receipt"),
}
#: Words that are read back.
MEANT = {
    ("outbox", "headers"): "{}",
    ("interaction", "source"): "kafka",
    ("item", "details"): "{}",
    ("data_file", "valid_columns"): "[]",
    ("jobs", "kind"): "train",
    ("data_file", "kind"): "training_data",
    ("data_files", "kind"): "training_data",
    ("ab_test", "status"): "RUNNING",
    ("ab_test", "target_metric_name"): "ctr",
}


def value(column: Any, n: int) -> Any:
    """Return the value of a column in the nth row."""
    length = getattr(column.type, "length", None)
    if column.name in CHOSEN:
        chosen = CHOSEN[column.name](n)
        if chosen is not None or column.nullable:
            return chosen[:length] if isinstance(chosen, str) else chosen
    if (column.table.name, column.name) in MEANT:
        return MEANT[column.table.name, column.name]
    kind = getattr(column.type, "impl", column.type).python_type
    made: dict[type, Any] = {
        str: f"{column.name[:12]}-{n}"[-length:] if length else f"{column.name}-{n}",
        int: n,
        float: float(n % 97),
        bool: True,
        bytes: b"x",
        datetime: NOW + timedelta(seconds=n),
        date: NOW.date() - timedelta(days=n // 10),
        dict: {},
        list: [],
    }
    return made.get(kind, {})


async def fill(database: Database, table: Table) -> None:
    """Put many rows of many tenants into a table."""
    if table.name in ONE_FOR_EACH:
        rows = [{c.name: value(c, n) for c in table.columns} for n in range(ROWS)]
        for n, row in enumerate(rows):
            row["tenant_id"] = f"tenant-{n}"  # one row for each tenant
    else:
        rows = [{c.name: value(c, n) for c in table.columns} for n in range(ROWS)]
    async with database.engine.begin() as connection:
        # Plans follow from what ANALYZE says below, not from whether a vacuum comes in between.
        await connection.execute(text(f'ALTER TABLE "{table.name}" SET (autovacuum_enabled = off)'))
        # Facts of others are made up, so what refers to them cannot be checked.
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await postgresql.copy(connection, table.name, list(table.columns), rows)


@dataclass(frozen=True, slots=True)
class Scan:
    """One step of a plan that reads a table."""

    kind: str
    index: str
    condition: str
    #: Rows that were read for nothing.
    in_vain: int

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> "Scan":
        """Take what matters from a node of a plan."""
        removed = sum(n for name, n in node.items() if name.startswith("Rows Removed by"))
        return cls(
            kind=node["Node Type"],
            index=node.get("Index Name", ""),
            condition=node.get("Index Cond", ""),
            in_vain=int(removed * node.get("Actual Loops", 1)),
        )

    def __str__(self) -> str:
        columns = dict.fromkeys(
            re.findall(r"(?:^|[( ])\(*([a-z_]+)\)*(?:::\w+)? [=<>]", self.condition)
        )
        return f"{self.index} ({', '.join(columns) or 'in order'})"


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every step of a plan."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


@asynccontextmanager
async def filled(postgres_url: str, service: str) -> AsyncIterator[Database]:
    """Return a service's database with many rows in each table."""
    name = f"plans_{uuid4().hex[:12]}"
    engine = create_async_engine(postgres_url, isolation_level="AUTOCOMMIT")
    metadata = importlib.import_module(f"{service}.store.tables").Base.metadata
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        url = make_url(postgres_url).set(database=name)
        database = Database(url.render_as_string(hide_password=False), metadata)
        await database.create_all()
        for table in metadata.sorted_tables:
            await fill(database, table)
        async with database.engine.connect() as own:
            await (await own.execution_options(isolation_level="AUTOCOMMIT")).execute(
                text("ANALYZE")
            )
        yield database
        await database.close()
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


async def scans(database: Database, ask: Ask) -> list[Scan]:
    """Return how PostgreSQL gets at the rows of everything that is asked."""
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, many: bool) -> None:
        if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            asked.append((statement, parameters[0] if many else parameters))

    async with database.transaction(tenant_id=TENANT) as tx:
        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        try:
            await ask(tx)
        finally:
            event.remove(database.engine.sync_engine, "before_cursor_execute", note)
        connection = await tx.session.connection()
        found: list[Scan] = []
        for statement, parameters in asked:
            # Carried out once more, and rolled back with the rest.
            explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}"
            told = (await connection.exec_driver_sql(explain, parameters)).scalar_one()
            [plan] = json.loads(told) if isinstance(told, str) else told
            found += map(Scan.of, nodes(plan["Plan"]))
        await tx.session.rollback()
    return [scan for scan in found if scan.kind.endswith("Scan")]


async def _connected(tx: Transaction, ask: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    return await ask(await tx.session.connection(), *args)


CLAIM: dict[str, Any] = {"holder": "me", "now": NOW, "lease_until": NOW}
PAGE: dict[str, int] = {"offset": 0, "limit": 20}
ASKED: dict[str, dict[str, Ask]] = {
    "gateway": {
        "a key": lambda tx: _everybody(tx, lambda: api_keys.with_prefix(tx, "prefix-7")),
        "a session": lambda tx: _everybody(tx, lambda: sessions.get(tx, "uid-77")),
        "a person": lambda tx: _everybody(
            tx, lambda: people.credentials(tx, email="email-77", username=None)
        ),
        "the end of sessions": lambda tx: sessions.end_all(tx, 77),
        "a key's use": lambda tx: api_keys.note_use(tx, {77: NOW}),
    },
    "catalog": {
        "known events": lambda tx: catalog_interactions.by_event_id(
            tx, [f"event_id-{n}" for n in range(30)]
        ),
        "what to announce": lambda tx: _connected(tx, _announced),
        "an erasure": lambda tx: catalog_interactions.erase_user(tx, "user_id-7", until=NOW),
        "known items": lambda tx: catalog_items.known(tx, [f"item_id-{n}" for n in range(30)]),
        "an item": lambda tx: catalog_items.get(tx, "item_id-7"),
        "items": lambda tx: catalog_items.page(tx, words=[], **PAGE),
        "the default project": lambda tx: projects.default(tx),
        "a project's files": lambda tx: data_files.page(
            tx, kind="training_data", where={"project": 7}, **PAGE
        ),
        "a project's summary": lambda tx: outcomes.count(tx, 7),
    },
    "training": {
        "the next job": lambda tx: _everybody(tx, lambda: jobs.claim(tx, **CLAIM)),
        "a job": lambda tx: jobs.get(tx, "uid-7"),
        "a model's jobs": lambda tx: jobs.for_each(tx, "model_id", [7]),
        "what a job said": lambda tx: logs.find(tx, where={"task": 7}, project=None, **PAGE),
        "due schedules": lambda tx: _everybody(tx, lambda: training_schedules.due(tx, now=NOW)),
        "interactions to learn from": lambda tx: training_interactions.after(
            tx, 100, through=10_000, limit=500
        ),
        "the newest interaction": lambda tx: training_interactions.newest(tx),
        "enough users": lambda tx: training_interactions.has_users(tx, 10),
        "an erasure": lambda tx: training_interactions.forget_user(tx, "user_id-7", until=NOW_US),
        "a tally": lambda tx: training_interactions.count(tx, now=NOW, interactions=1),
        "items to learn from": lambda tx: training_replicas.items_after(tx, "", limit=500),
        "the newest table": lambda tx: training_replicas.newest_data(tx, 7),
        "old jobs": lambda tx: _connected(tx, _carried_out, training_pruning.jobs(NOW)),
    },
    "inference": {
        "what is popular": lambda tx: popularity.strongest(
            tx.session, tenant_id=TENANT, limit=3000
        ),
        "a user's recommendations": lambda tx: generated.find(
            tx.session, user_id="user_id-7", algorithm=None, **PAGE
        ),
        "the next generation": lambda tx: _everybody(
            tx, lambda: generated.claim(tx.session, holder="me", now=NOW, lease=timedelta(0))
        ),
    },
    "billing": {
        "allowances due": lambda tx: _everybody(
            tx, lambda: billing_subscriptions.due(tx.session, now=NOW, limit=500)
        ),
        "cycles to close": lambda tx: _everybody(
            tx, lambda: billing_subscriptions.closing(tx.session, now=NOW, limit=100)
        ),
        "a subscription": lambda tx: billing_subscriptions.held(
            tx.session, anchor=NOW, tenant_id=TENANT
        ),
        "usage": lambda tx: billing_usage.of(tx.session, 7, plan=STARTER),
        "past caps": lambda tx: billing_caps.since(tx.session, NOW),
        "known items": lambda tx: billing_usage.know_items(
            tx.session, {f"item_id-{n}": (1, True) for n in range(30)}, tenant_id=TENANT
        ),
        "users and items": lambda tx: billing_counts.of(tx.session),
        "past plans": lambda tx: billing_past_plans.terms(tx.session, BILLED),
        "late use": lambda tx: billing_usage.late(tx.session, 1, plan=STARTER),
        "charges": lambda tx: _everybody(
            tx, lambda: billing_charges.due(tx.session, now=NOW, limit=50)
        ),
        "purchases to ask about": lambda tx: _everybody(
            tx, lambda: billing_purchases.to_look_at(tx.session, now=NOW, limit=50)
        ),
    },
    "experiments": {
        "known events": lambda tx: conversions.by_event_ids(
            tx.session, {f"event_id-{n}" for n in range(30)}
        ),
        "conversions": lambda tx: conversions.find(tx.session, {}, **PAGE),
        "slots": lambda tx: experiment_slots.steady(tx.session, {7, 207}),
        "tests on slots": lambda tx: ab_tests.counting(tx.session, {7}, since=NOW, until=NOW),
        "a user in an arm": lambda tx: exposures.add(
            tx.session,
            7,
            7,
            {"user_id-7": Facts({"request_id-7": Marks(shown=True)})},
            tenant_id=TENANT,
        ),
        "an erasure": lambda tx: exposures.forget_user(tx.session, "user_id-7"),
        "active users": lambda tx: analytics.active_users(
            tx.session, since=NOW.date() - timedelta(days=7)
        ),
        "totals": lambda tx: analytics.totals(tx.session),
    },
}


async def _everybody(tx: Transaction, ask: Callable[[], Awaitable[Any]]) -> None:
    async with tx.scoped(None):
        await ask()


async def _carried_out(connection: Any, statement: Executable) -> None:
    await connection.execute(statement)


async def _announced(connection: Any) -> None:
    announcements = Announcements()
    # All but the last have left, as at any moment but the first.
    left = outbox.Outgoing(topic="", key="", value=b"", event_id="", id=ROWS - 100)
    await announcements.sent(connection, [left])
    waiting = await announcements.waiting(connection, limit=500)
    await announcements.sent(connection, waiting)
    await announcements.backlog(connection)


async def _deleted(tx: Transaction, database: Database) -> None:
    """Ask which tenants are to be erased."""
    await deleted_tenants.pending(await tx.session.connection(), database.metadata)


async def _chassis(tx: Transaction, database: Database) -> None:
    connection = await tx.session.connection()
    ids = [f"event_id-{n}" for n in range(30)]
    await inbox.unseen(connection, database.metadata, subscription="subscription-7", ids=ids)
    own = outbox.OutboxTable(database.metadata)
    await own.sent(connection, await own.waiting(connection, limit=500))
    await own.backlog(connection)


@pytest.mark.parametrize("service", ASKED)
async def test_what_is_asked_all_the_time_is_found_by_an_index(
    service: str, postgres_url: str
) -> None:
    async with filled(postgres_url, service) as database:
        questions = ASKED[service] | {
            "the mailboxes": lambda tx: _chassis(tx, database),
            "deleted tenants": lambda tx: _deleted(tx, database),
        }
        found = {name: await scans(database, ask) for name, ask in questions.items()}
    for name, plan in found.items():
        by = dict.fromkeys(str(scan) for scan in plan if scan.index)
        sys.stdout.write(f"| {service} | {name} | {', '.join(by)} |\n")
    assert all(found.values())
    assert {name: bad for name, plan in found.items() if (bad := laborious(plan))} == {}


def test_every_question_stands_in_the_record_of_plans() -> None:
    recorded = re.findall(r"^\| (\w+) \| ([^|]+) \| `", RECORD.read_text(), re.MULTILINE)
    asked = [(service, name) for service, questions in ASKED.items() for name in questions]
    each = [("each", "the mailboxes"), ("each", "deleted tenants")]
    assert sorted(recorded) == sorted([*each, *asked])


def laborious(plan: Sequence[Scan]) -> list[Scan]:
    """Return the steps that read a table from end to end, or much that was not asked for."""
    return [scan for scan in plan if scan.kind == "Seq Scan" or scan.in_vain > IN_VAIN]
