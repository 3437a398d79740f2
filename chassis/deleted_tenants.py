"""Which tenants were deleted: a row for each in every service's database, and a set in memory.

Whoever was deleted is refused, announces nothing, and facts about them that come late are passed
over. The rows stay for good: a backup or a redriven record may bring a deleted tenant's facts back
at any time.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    insert,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

NAME = "deleted_tenant"


def define(metadata: MetaData) -> Table:
    """Add the table of deleted tenants to a service's metadata."""
    return Table(
        NAME,
        metadata,
        Column("tenant_id", String(36), primary_key=True),
        Column("deleted_at", DateTime(timezone=True), nullable=False),
        # How often what the service holds of the tenant was erased, and when it is erased again;
        # absent: never.
        Column("erasures", Integer, nullable=False),
        Column("erase_at", DateTime(timezone=True)),
        Index(
            "ix_deleted_tenant_erase_at",
            "erase_at",
            sqlite_where=text("erase_at IS NOT NULL"),
            postgresql_where=text("erase_at IS NOT NULL"),
        ),
    )


class DeletedTenants:
    """The deleted tenants that one process knows of."""

    def __init__(self) -> None:
        """Know of none yet."""
        self._known: set[str] = set()

    def __contains__(self, tenant_id: object) -> bool:
        """Tell whether a tenant was deleted."""
        return tenant_id in self._known

    def __iter__(self) -> Iterator[str]:
        """Yield those that are known."""
        return iter(sorted(self._known))

    def add(self, tenants: Iterable[str]) -> list[str]:
        """Take tenants as deleted; return those that were not known to be."""
        news = sorted(set(tenants) - self._known)
        self._known.update(news)
        return news


async def read(connection: AsyncConnection, metadata: MetaData) -> list[str]:
    """Return all tenants that the database knows to be deleted."""
    table = metadata.tables[NAME]
    return list((await connection.execute(select(table.c.tenant_id))).scalars())


async def pending(connection: AsyncConnection, metadata: MetaData) -> Sequence[Row[Any]]:
    """Return the rows of the tenants that are to be erased, once or once more, the most urgent
    first.
    """
    table = metadata.tables[NAME]
    query = select(table).where(table.c.erase_at.is_not(None)).order_by(table.c.erase_at)
    return (await connection.execute(query)).all()


async def note(
    connection: AsyncConnection, metadata: MetaData, tenant_id: str, *, at: datetime, now: datetime
) -> bool:
    """Remember that a tenant was deleted at a moment and is to be erased from now on; tell whether
    that is news.
    """
    table = metadata.tables[NAME]
    known = select(table.c.tenant_id).where(table.c.tenant_id == tenant_id)
    if (await connection.execute(known)).first():
        return False
    row = {"tenant_id": tenant_id, "deleted_at": at, "erasures": 0, "erase_at": now}
    await connection.execute(insert(table), [row])
    return True
