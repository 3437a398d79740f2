"""Everything that a service holds of a deleted tenant is erased, and a receipt says so.

The service hears of the deletion on Kafka and remembers it in the same commit. From then on one
replica at a time erases: first what lies outside the database, then the tenant's rows, then what
the outbox remembers. The receipt leaves with the commit that ends this. A step that fails leaves
the tenant due, and all of it is done again: to erase what is gone does no harm.

Requests and records that were under way may leave something behind, so the same is done again some
time later, for the last time once no topic holds a record from before the deletion.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import deleted_tenants, inbox, telemetry, tenant_records
from chassis.database import Database, Transaction
from chassis.metrics import ERASURE_AGE
from chassis.outbox import aware
from chassis.remembering import REMEMBERED
from chassis.subscriptions import Subscription, each
from chassis.tenancy import TENANT
from contracts.tenants import TenantDeleted, TenantErased
from contracts.topics import TENANTS

#: Erases what lies outside the service's database; returns how many things of each kind there were.
EraseElsewhere = Callable[[str], Awaitable[Mapping[str, int]]]
#: Drops what this process holds in memory.
Forget = Callable[[str], None]

#: Seconds between two looks for tenants to be erased.
_INTERVAL = 1.0
#: For so long no other replica takes a tenant that one is erasing.
_LEASE = timedelta(minutes=5)
#: How long after a failure it is tried again.
_PAUSE = timedelta(seconds=30)
#: When everything is erased once more, counted from the erasure before.
_AGAIN = (
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(days=1),
    REMEMBERED,
)
#: Rows that one statement deletes: others want the database, too.
_SOME = 1_000


class TenantErasure:
    """Erases deleted tenants from one service."""

    def __init__(
        self,
        service: str,
        database: Database,
        *,
        elsewhere: Sequence[EraseElsewhere] = (),
        forgets: Sequence[Forget] = (),
        outliving: Collection[str] = (),
    ) -> None:
        """Erase from every table with a tenant's column, but for those named in `outliving`."""
        self._service = service
        self._database = database
        self._elsewhere = elsewhere
        self._forgets = forgets
        self._outliving = {deleted_tenants.NAME, *outliving}
        self._deleted = database.metadata.tables[deleted_tenants.NAME]

        #: How many seconds the oldest deletion has waited for its erasure; 0: none waits.
        self.age = 0.0

    def subscription(self) -> Subscription:
        """Return how the service hears of deletions."""
        return each(TENANTS, self._note, name="tenant-deletions", only=(TenantDeleted,))

    @property
    def tables(self) -> list[Table]:
        """Return the tables that are erased from, those first that refer to others."""
        return [
            table
            for table in reversed(self._database.metadata.sorted_tables)
            if TENANT in table.columns and table.name not in self._outliving
        ]

    async def load(self) -> None:
        """Take the deletions that the database knows of as known in this process."""
        async with self._database.transaction(write=False) as tx:
            connection = await tx.session.connection()
            self.know(await deleted_tenants.read(connection, self._database.metadata))

    def know(self, tenants: Collection[str]) -> None:
        """Take tenants as deleted: refuse them, and drop what memory holds of them."""
        for tenant_id in self._database.deleted_tenants.add(tenants):
            self._forget(tenant_id)

    def _forget(self, tenant_id: str) -> None:
        for forget in self._forgets:
            forget(tenant_id)

    async def _note(self, event: TenantDeleted, tx: Transaction) -> None:
        await self.note(tx, event.tenant_id, at=event.occurred_at)

    async def note(self, tx: Transaction, tenant_id: str, *, at: datetime) -> None:
        """Remember a deletion with the commit; what the service holds is erased from then on."""
        connection = await tx.session.connection()
        await deleted_tenants.note(
            connection, self._database.metadata, tenant_id, at=at, now=tx.clock()
        )
        tx.after_commit(lambda: self.know([tenant_id]))

    async def run(self) -> None:
        """Learn of deletions that other replicas heard of, and erase, for ever."""
        await self.load()
        while True:
            while (tenant_id := await self.claim()) is not None:
                await self._try(tenant_id)
            ERASURE_AGE.set(self.age)
            await asyncio.sleep(_INTERVAL)

    async def _try(self, tenant_id: str) -> None:
        try:
            await self.erase(tenant_id)
        except Exception:
            telemetry.log.exception(
                "%s could not erase what it holds of the deleted tenant %s; it tries again in %d s",
                self._service,
                tenant_id,
                _PAUSE.total_seconds(),
            )
            await self._put_off(tenant_id)

    async def _put_off(self, tenant_id: str) -> None:
        async with self._database.transaction() as tx:
            await self._due(await tx.session.connection(), tenant_id, tx.clock() + _PAUSE)

    async def _due(
        self, connection: AsyncConnection, tenant_id: str, at: datetime | None, **values: Any
    ) -> None:
        mine = self._deleted.c.tenant_id == tenant_id
        values["erase_at"] = at
        await connection.execute(update(self._deleted).where(mine).values(**values))

    async def claim(self) -> str | None:
        """Return a tenant whose erasure is due, and keep other replicas from it for a while."""
        for tenant_id in await self._look():
            if await self._take(tenant_id):
                return tenant_id
        return None

    async def _look(self) -> list[str]:
        """Learn what the database knows of deletions of late; return the tenants that are due."""
        async with self._database.transaction(write=False) as tx:
            connection = await tx.session.connection()
            rows = await deleted_tenants.pending(connection, self._database.metadata)
            now = tx.clock()
        self.know([row.tenant_id for row in rows])
        waiting = [aware(row.deleted_at) for row in rows if row.erasures == 0]
        self.age = (now - min(waiting)).total_seconds() if waiting else 0.0
        return [row.tenant_id for row in rows if aware(row.erase_at) <= now]

    async def _take(self, tenant_id: str) -> bool:
        """Take the turn to erase a tenant; tell whether nobody else has it."""
        columns = self._deleted.c
        async with self._database.transaction() as tx:
            connection = await tx.session.connection()
            now = tx.clock()
            still_due = (columns.tenant_id == tenant_id) & (columns.erase_at <= now)
            taken = update(self._deleted).where(still_due).values(erase_at=now + _LEASE)
            return bool((await connection.execute(taken)).rowcount)

    async def erase(self, tenant_id: str) -> Mapping[str, int]:
        """Erase everything of a tenant; return how much of each kind it was. The first time sends
        the receipt.

        Raises:
            Exception: something that holds a part of it is away.
        """
        self.know([tenant_id])
        self._forget(tenant_id)  # once more: a request that was under way may have looked it up
        erased: Counter[str] = Counter()
        for erase in self._elsewhere:
            erased.update(await erase(tenant_id))
        for table in self.tables:
            erased[table.name] += await self._rows_of(table, tenant_id)
        erased["inbox"] += await inbox.forget_tenant(self._database, tenant_id)
        erased["outbox"] += await tenant_records.take_back(self._database, tenant_id)
        counts = {name: count for name, count in sorted(erased.items()) if count}
        await self._receipt(tenant_id, counts)
        telemetry.log.info("%s holds nothing of tenant %s any more", self._service, tenant_id)
        return counts

    async def _rows_of(self, table: Table, tenant_id: str) -> int:
        key = list(table.primary_key.columns)
        some = select(*key).where(table.c[TENANT] == tenant_id).limit(_SOME)
        return await self._database.exhaust(delete(table).where(tuple_(*key).in_(some)))

    async def _receipt(self, tenant_id: str, erased: Mapping[str, int]) -> None:
        columns = self._deleted.c
        async with self._database.transaction() as tx:
            connection = await tx.session.connection()
            query = select(columns.erasures).where(columns.tenant_id == tenant_id)
            times = (await connection.execute(query.with_for_update())).scalar_one()
            at = tx.clock() + _AGAIN[times] if times < len(_AGAIN) else None
            await self._due(connection, tenant_id, at, erasures=times + 1)
            if times == 0:
                tx.emit(
                    TenantErased(
                        tenant_id=tenant_id,
                        occurred_at=tx.clock(),
                        service=self._service,
                        erased=dict(erased),
                    )
                )
