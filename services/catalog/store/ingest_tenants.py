"""Tenants that have ingest topics."""

from collections.abc import Sequence

from sqlalchemy import select

from catalog.store.tables import IngestTenantRow
from chassis.database import Transaction
from chassis.upserts import insert_new


async def add(tx: Transaction) -> None:
    """Note that the transaction's tenant has topics, or is to have them; twice does no harm."""
    table = IngestTenantRow.metadata.tables[IngestTenantRow.__tablename__]
    row = {"tenant_id": tx.tenant_id, "opened_at": tx.clock()}
    await insert_new(tx.session, table, [row])


async def some(tx: Transaction, *, after: str, limit: int) -> Sequence[str]:
    """Return tenants, of all, in the order of their uids; the transaction sees all tenants."""
    row = IngestTenantRow
    query = select(row.tenant_id).where(row.tenant_id > after).order_by(row.tenant_id)
    return (await tx.session.scalars(query.limit(limit))).all()
