"""One transaction per request or message, scoped to a tenant, its events in the same commit."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Self

from fastapi import Depends, Request
from opentelemetry.context import Context
from sqlalchemy import (
    BigInteger,
    DateTime,
    Executable,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    event,
    make_url,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, with_loader_criteria
from sqlalchemy.orm.unitofwork import UOWTransaction
from sqlalchemy.sql.util import find_tables

from chassis import advisory_locks, inbox, outbox, postgresql, sqlite
from chassis.clock import Clock, now
from chassis.identity import Caller, CurrentCaller
from chassis.ids import new_uid
from chassis.settings import Settings
from chassis.telemetry import span_within
from contracts.envelope import Event

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

#: A 64-bit integer key that counts up by itself on both engines.
BigKey = BigInteger().with_variant(Integer, "sqlite")

_TENANT = "tenant_id"
_READ_ONLY_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime with microseconds, on every engine."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC; a naive datetime is a mistake of ours."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Read back aware: SQLite forgets the zone."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def new_metadata() -> MetaData:
    """Return the metadata for one service's tables: names for constraints, outbox and inbox."""
    metadata = MetaData(naming_convention=NAMING)
    outbox.define(metadata)
    inbox.define(metadata)
    return metadata


class Identified:
    """Mixin: an integer `id`, never used twice, and a public `uid`."""

    # SQLAlchemy declares this as an instance variable, so subclasses could not override a ClassVar.
    __table_args__: Any = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    uid: Mapped[str] = mapped_column(String(36), default=new_uid, unique=True)


class TenantScoped:
    """Mixin: rows of one tenant; the session adds the tenant to every query and insert."""

    tenant_id: Mapped[str] = mapped_column(String(36), index=True)


#: Text of any length, for columns that hold what tenants write.
LongText = Text


class TenantLeak(RuntimeError):
    """A query or a row would have crossed the border between tenants."""


class Transaction:
    """A session for one tenant, plus the events that leave with its commit."""

    def __init__(self, session: AsyncSession, caller: Caller | None, clock: Clock) -> None:
        """Wrap a session; `caller` is None for messages and background work."""
        self.session = session
        self._caller = caller
        self.clock = clock
        self._events: list[outbox.Outgoing] = []
        self._after_commit: list[Callable[[], None]] = []
        self._wakes = False

    @property
    def caller(self) -> Caller:
        """Return who asked."""
        if self._caller is None:
            raise LookupError("this transaction has no caller")
        return self._caller

    @property
    def tenant_id(self) -> str:
        """Return the tenant whose rows this transaction sees."""
        tenant = self.session.sync_session.info.get(_TENANT)
        if tenant is None:
            raise TenantLeak("this transaction has no tenant")
        return str(tenant)

    async def take_turns(self, what: str) -> None:
        """Let one transaction at a time go on from here, over all replicas of the service.

        `what` names what they would do twice. SQLite has one writer at a time anyway.
        """
        connection = await self.session.connection()
        if connection.dialect.name == "postgresql":
            lock = text("SELECT pg_advisory_xact_lock(:turns, hashtext(:what))")
            await connection.execute(lock, {"turns": advisory_locks.TURNS, "what": what})

    @asynccontextmanager
    async def scoped(self, tenant_id: str | None) -> AsyncIterator[None]:
        """See one tenant's rows inside the block; None sees all (operators, schedules)."""
        info = self.session.sync_session.info
        before = info.get(_TENANT, _NOBODY)
        info[_TENANT] = tenant_id
        try:
            yield
            await self.session.flush()  # rows added here belong to this tenant
        finally:
            info[_TENANT] = before

    def emit(self, happened: Event, *, context: Context | None = None) -> None:
        """Announce a fact; it leaves with the commit, and only then.

        `context` continues another trace than the present one: that of one record of a batch.
        """
        self._events.append(outbox.outgoing(happened, at=self.clock(), context=context))

    def send(self, topic: str, *, key: str, value: bytes, event_id: str) -> None:
        """Write a raw record to a tenant's own topic with the commit."""
        self._events.append(outbox.raw(topic, key=key, value=value, event_id=event_id))

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Run a quick callback once the commit has succeeded."""
        self._after_commit.append(callback)

    def wake_relay(self) -> None:
        """Let the relay look at once: a table that is its own outbox has new rows."""
        self._wakes = True

    @property
    def has_events(self) -> bool:
        """Tell whether anything waits for the commit to leave."""
        return self._wakes or bool(self._events)

    async def finish(self, metadata: MetaData) -> None:
        """Write the outbox rows, commit, and run what waits for the commit."""
        if self._events:
            connection = await self.session.connection()
            await outbox.write(connection, metadata, self._events, at=self.clock())
        await self.session.commit()
        for callback in self._after_commit:
            callback()


_NOBODY = object()


class Database:
    """One service's database: an engine, its tables and the transactions on them."""

    def __init__(
        self,
        url: str,
        metadata: MetaData,
        *,
        clock: Clock = now,
        pool: int = 5,
        overflow: int = 10,
    ) -> None:
        """Take a SQLAlchemy URL; no connection is made yet.

        On PostgreSQL `pool` connections stay open and at most `overflow` more open at a rush.
        """
        self.url = url
        self.metadata = metadata
        self.clock = clock
        self.committed = asyncio.Event()
        self.is_sqlite = url.startswith("sqlite")
        self.engine = (
            _sqlite(url) if self.is_sqlite else postgresql.engine(url, pool=pool, overflow=overflow)
        )
        # SQLite has one writer; waiting here is fairer and cheaper than its busy loop.
        self._writer: asyncio.Lock | None = asyncio.Lock() if self.is_sqlite else None

    @classmethod
    def of(cls, settings: Settings, service: str, metadata: MetaData) -> Self:
        """Return the database of a service, as the settings say."""
        return cls(
            settings.database(service),
            metadata,
            pool=settings.database_pool,
            overflow=settings.database_pool_overflow,
        )

    @asynccontextmanager
    async def transaction(
        self,
        caller: Caller | None = None,
        *,
        tenant_id: object = _NOBODY,
        write: bool = True,
    ) -> AsyncIterator[Transaction]:
        """Open a transaction, commit at the end of the block, roll back on an error.

        `tenant_id` names the tenant where there is no caller; None sees all tenants. With neither,
        the block must name one through `scoped` before it touches a tenant's table.
        """
        if caller is not None and tenant_id is _NOBODY:
            tenant_id = caller.tenant_id
        lock = self._writer if write else None
        if lock is not None:
            await lock.acquire()
        try:
            async with AsyncSession(self.engine, expire_on_commit=False) as session:
                session.sync_session.info[_TENANT] = tenant_id
                if self.is_sqlite:
                    await session.execute(text("BEGIN IMMEDIATE" if write else "BEGIN"))
                tx = Transaction(session, caller, self.clock)
                yield tx
                wake = tx.has_events
                with span_within("commit"):
                    await tx.finish(self.metadata)
            if wake:
                self.committed.set()
        finally:
            if lock is not None:
                lock.release()

    async def exhaust(self, some: Executable) -> int:
        """Carry out what changes a few of many rows until none is left; return how many it were.

        Each time is a commit of its own: nobody waits long for the rows or for the only writer.
        """
        count = 0
        while True:
            async with self.transaction(tenant_id=None) as tx:
                changed: Any = await (await tx.session.connection()).execute(some)
            if not changed.rowcount:
                return count
            count += changed.rowcount

    async def create_all(self) -> None:
        """Make all tables at once (tests; a running service migrates instead)."""
        async with self.engine.begin() as connection:
            await connection.run_sync(self.metadata.create_all)

    async def ready(self) -> bool:
        """Tell whether the database answers."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        return True

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()


def _sqlite(url: str) -> AsyncEngine:
    path = make_url(url).database or ":memory:"
    engine = create_async_engine(
        url,
        hide_parameters=True,  # what tenants write, and hashes of what they hide, is no log line
        async_creator=partial(sqlite.connect, path, timeout=30),
        pool_size=8,
        max_overflow=8,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions on its own: Database.transaction says which kind.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


@event.listens_for(Session, "do_orm_execute")
def _add_tenant(state: ORMExecuteState) -> None:
    """Scope every select, update and delete to the session's tenant, subqueries included.

    A statement that is no ORM statement cannot be scoped, so it may not touch a tenant's table; the
    few bulk paths go through the connection, with the tenant as an argument.
    """
    if state.is_column_load or state.is_relationship_load:
        return
    tenant = state.session.info.get(_TENANT, _NOBODY)
    if tenant is None:
        return
    if tenant is _NOBODY or not state.is_orm_statement:
        if _touches_tenants(state.statement):
            raise TenantLeak("a tenant's table was queried without its tenant")
        return
    state.statement = state.statement.options(
        with_loader_criteria(
            TenantScoped,
            lambda cls: cls.tenant_id == tenant,
            include_aliases=True,
        )
    )


def _touches_tenants(statement: Any) -> bool:
    tables = find_tables(
        statement, include_joins=True, include_aliases=True, include_selects=True, include_crud=True
    )
    return any(_TENANT in table.columns for table in tables if hasattr(table, "columns"))


@event.listens_for(Session, "before_flush")
def _stamp_tenant(session: Session, _context: UOWTransaction, _instances: Any) -> None:
    """Stamp new rows with the session's tenant; refuse a row of another."""
    tenant = session.info.get(_TENANT, _NOBODY)
    for row in session.new:
        if not isinstance(row, TenantScoped):
            continue
        if row.tenant_id is None:
            if not isinstance(tenant, str):
                raise TenantLeak("a row was added without a tenant")
            row.tenant_id = tenant
        elif isinstance(tenant, str) and row.tenant_id != tenant:
            raise TenantLeak("a row of another tenant was added")


async def _request_transaction(
    request: Request, caller: CurrentCaller
) -> AsyncIterator[Transaction]:
    database: Database = request.app.state.database
    write = request.method not in _READ_ONLY_METHODS
    async with database.transaction(caller, write=write) as tx:
        yield tx


async def _open_transaction(request: Request) -> AsyncIterator[Transaction]:
    database: Database = request.app.state.database
    write = request.method not in _READ_ONLY_METHODS
    async with database.transaction(tenant_id=None, write=write) as tx:
        yield tx


async def database_of(request: Request) -> Database:
    """Return the service's database, for routes that open transactions at their own moments."""
    database: Database = request.app.state.database
    return database


# Function scope: the commit happens before the answer leaves, so the client sees it fail.
Tx = Annotated[Transaction, Depends(_request_transaction, scope="function")]
#: A transaction of a public route: nobody asks, all tenants are in reach.
OpenTx = Annotated[Transaction, Depends(_open_transaction, scope="function")]
Store = Annotated[Database, Depends(database_of)]
