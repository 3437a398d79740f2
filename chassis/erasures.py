"""Who was erased, and when: what somebody did before that is not kept, however late it comes.

A service that keeps what people did remembers each erasure in the commit that carries it out, and
asks before it keeps a fact. Facts and erasures come by different topics, so either may be first.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Column, MetaData, Row, String, Table, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, mapped_column

from chassis import advisory_locks
from chassis.database import Transaction
from chassis.tables import Moment
from chassis.upserts import insert_new

_CHUNK = 500
#: Every service's table, told apart by the connection.
_TABLE = Table(
    "erased_person",
    MetaData(),
    Column("tenant_id", String(36), primary_key=True),
    Column("user_id", String(256), primary_key=True),
    Column("erased_at", Moment, nullable=False),
)
_ALONE = text("SELECT pg_advisory_xact_lock(:erasures, hashtext(:tenant))")
_SHARED = text("SELECT pg_advisory_xact_lock_shared(:erasures, hashtext(:tenant))")


class ErasedPerson:
    """Columns of a service's table of erased people; mix it into a mapped class of the service."""

    __tablename__ = _TABLE.name

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    #: The person's uid, by which facts name their user.
    user_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    erased_at: Mapped[datetime] = mapped_column(Moment)


@dataclass(frozen=True, slots=True)
class Erased:
    """Until when the facts of some users are not kept."""

    until: Mapping[str, datetime] = field(default_factory=dict)

    def covers(self, user_id: str, at: datetime) -> bool:
        """Tell whether what a user did at a moment is erased; what came later is not."""
        until = self.until.get(user_id)
        return until is not None and at <= until


async def note(tx: Transaction, user_id: str, *, at: datetime) -> bool:
    """Remember that a user was erased; tell whether that is news.

    From here to the commit nobody keeps facts of the tenant: who asked before has committed.
    """
    await _take(tx, _ALONE)
    columns = _TABLE.columns
    row = {"tenant_id": tx.tenant_id, "user_id": user_id, "erased_at": at}
    added = await insert_new(tx.session, _TABLE, [row], returning=[columns.user_id])
    if added:
        return True
    known = await _of(tx, [user_id])
    if known[0].erased_at >= at:
        return False
    connection = await tx.session.connection()
    mine = (columns.tenant_id == tx.tenant_id) & (columns.user_id == user_id)
    await connection.execute(update(_TABLE).where(mine).values(erased_at=at))
    return True


async def among(tx: Transaction, users: Collection[str]) -> Erased:
    """Return which of the users were erased, and when.

    No erasure of the tenant is carried out before the commit, so what is kept by this answer is
    there for the next one to delete. Ask before any row is held.
    """
    if not users:
        return Erased()
    await _take(tx, _SHARED)
    return Erased({row.user_id: row.erased_at for row in await _of(tx, users)})


async def _of(tx: Transaction, users: Collection[str]) -> list[Row[Any]]:
    columns = _TABLE.columns
    connection: AsyncConnection = await tx.session.connection()
    found: list[Row[Any]] = []
    for chunk in _chunks(sorted(set(users))):
        query = select(columns.user_id, columns.erased_at).where(
            columns.tenant_id == tx.tenant_id, columns.user_id.in_(chunk)
        )
        found.extend(await connection.execute(query))
    return found


def _chunks(users: list[str]) -> Iterator[list[str]]:
    return (users[start : start + _CHUNK] for start in range(0, len(users), _CHUNK))


async def _take(tx: Transaction, lock: Any) -> None:
    """Take the tenant's lock until the commit; SQLite has one writer at a time anyway."""
    connection = await tx.session.connection()
    if connection.dialect.name == "postgresql":
        named = {"erasures": advisory_locks.ERASURES, "tenant": tx.tenant_id}
        await connection.execute(lock, named)
