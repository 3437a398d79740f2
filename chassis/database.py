"""One transaction per request or message, scoped to a tenant, its events in the same commit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Self

from opentelemetry.context import Context
from sqlalchemy import Executable, MetaData, text
from sqlalchemy.ext.asyncio import AsyncSession

from chassis import advisory_locks, outbox, postgresql, sqlite, tenancy
from chassis.clock import Clock, now
from chassis.deleted_tenants import DeletedTenants
from chassis.identity import Caller
from chassis.problems import Unauthenticated
from chassis.settings import Settings
from chassis.telemetry import span_within
from contracts.envelope import Event
from contracts.tenants import TenantDeleted, TenantErased


class Transaction:
    """A session for one tenant, plus the events that leave with its commit."""

    def __init__(
        self,
        session: AsyncSession,
        caller: Caller | None,
        clock: Clock,
        *,
        deleted: DeletedTenants | None = None,
    ) -> None:
        """Wrap a session; `caller` is None for messages and background work. What happens to
        `deleted` tenants is not announced.
        """
        self.session = session
        self._caller = caller
        self.clock = clock
        self._deleted = deleted or DeletedTenants()
        self._events: list[outbox.Outgoing] = []
        self._after_commit: list[Callable[[], None]] = []
        self._wakes = False

    @property
    def caller(self) -> Caller:
        """Return who asked."""
        if self._caller is None:
            raise LookupError("this transaction has no caller")
        return self._caller

    def narrow(self, hidden: frozenset[int]) -> None:
        """Keep the projects of others from who asked."""
        self._caller = replace(self.caller, hidden=hidden)

    @property
    def tenant_id(self) -> str:
        """Return the tenant whose rows this transaction sees."""
        tenant = self.session.sync_session.info.get(tenancy.TENANT)
        if not isinstance(tenant, str):
            raise tenancy.TenantLeak("this transaction has no tenant")
        return tenant

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
        before = info.get(tenancy.TENANT, tenancy.NOBODY)
        info[tenancy.TENANT] = tenant_id
        try:
            yield
            await self.session.flush()  # rows added here belong to this tenant
        finally:
            info[tenancy.TENANT] = before

    def is_deleted(self, tenant_id: str) -> bool:
        """Tell whether a tenant was deleted."""
        return tenant_id in self._deleted

    def emit(self, happened: Event, *, context: Context | None = None) -> None:
        """Announce a fact; it leaves with the commit, and only then.

        `context` continues another trace than the present one: that of one record of a batch. Of a
        deleted tenant nothing is announced but the end.
        """
        if happened.tenant_id in self._deleted and not isinstance(happened, OF_THE_END):
            return
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


#: What is said of a tenant that is deleted.
OF_THE_END = (TenantDeleted, TenantErased)

Hidden = Callable[[Transaction], Awaitable[frozenset[int]]]


def needs_reach(caller: Caller) -> bool:
    """Tell whether a caller's projects have to be looked up: the gateway lets no key in whose owner
    may not see its project.
    """
    return caller.kind == "person" and not caller.sees_all


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
            sqlite.engine(url)
            if self.is_sqlite
            else postgresql.engine(url, pool=pool, overflow=overflow)
        )
        self.deleted_tenants = DeletedTenants()
        #: Finds the projects that a caller's fellows own, where projects have owners.
        self.hidden_projects: Hidden | None = None
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
        tenant_id: object = tenancy.NOBODY,
        write: bool = True,
    ) -> AsyncIterator[Transaction]:
        """Open a transaction, commit at the end of the block, roll back on an error.

        `tenant_id` names the tenant where there is no caller; None sees all tenants. With neither,
        the block must name one through `scoped` before it touches a tenant's table.

        Raises:
            Unauthenticated: the caller's tenant was deleted.
        """
        if caller is not None and tenant_id is tenancy.NOBODY:
            tenant_id = caller.tenant_id
        if caller is not None and caller.tenant_id in self.deleted_tenants:
            raise Unauthenticated("This tenant was deleted.")
        lock = self._writer if write else None
        if lock is not None:
            await lock.acquire()
        try:
            async with AsyncSession(self.engine, expire_on_commit=False) as session:
                session.sync_session.info[tenancy.TENANT] = tenant_id
                if self.is_sqlite:
                    begin = "BEGIN IMMEDIATE" if write else "BEGIN"
                    await (await session.connection()).exec_driver_sql(begin)
                tx = Transaction(session, caller, self.clock, deleted=self.deleted_tenants)
                if caller is not None and self.hidden_projects and needs_reach(caller):
                    tx.narrow(await self.hidden_projects(tx))
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

    async def open(self) -> None:
        """Have SQLite's first connection, before anybody waits for one.

        Who gives up on a connection in the making throws it away: a crowd that comes while even the
        first is slow would keep every one from being made. PostgreSQL may be away for now.
        """
        if self.is_sqlite:
            await self.ready()

    async def ready(self) -> bool:
        """Tell whether the database answers."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        return True

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()
