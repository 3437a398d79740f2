"""Deletions of tenants in the database, their receipts, and what goes with the deletion itself."""

from sqlalchemy import delete, select

from chassis.database import Transaction
from chassis.upserts import insert_new
from contracts.tenants import TenantErased
from gateway.domain.deletions import Deletion, Receipt
from gateway.store.tables import (
    ApiKeyRow,
    ErasureReceiptRow,
    PersonRow,
    SessionRow,
    TenantDeletionRow,
    TenantRow,
)


async def name_of(tx: Transaction, tenant_id: str) -> str | None:
    """Return a tenant's name; None where there is no such tenant."""
    return await tx.session.scalar(select(TenantRow.name).where(TenantRow.uid == tenant_id))


async def has_operator(tx: Transaction) -> bool:
    """Tell whether the platform's operator is one of the people that the transaction sees."""
    query = select(PersonRow.id).where(PersonRow.role == "superuser").limit(1)
    return (await tx.session.execute(query)).first() is not None


async def remove_people(tx: Transaction, tenant_id: str) -> None:
    """Delete the tenant, its people, their sessions and their keys; the transaction sees it alone.

    They do not wait for the erasure: nobody of the tenant is let in any more, and whoever registers
    with one of their addresses again may.
    """
    for row in (SessionRow, ApiKeyRow, PersonRow):
        await tx.session.execute(delete(row))
    await tx.session.execute(delete(TenantRow).where(TenantRow.uid == tenant_id))


async def add(tx: Transaction, tenant_id: str, *, digest: str | None) -> None:
    """Keep a deletion; `digest` is that of the token that shows it, where somebody has one."""
    row = TenantDeletionRow(tenant_id=tenant_id, token_digest=digest, deleted_at=tx.clock())
    tx.session.add(row)
    await tx.session.flush()


async def with_digest(tx: Transaction, digest: str) -> Deletion | None:
    """Return the deletion that a token of this digest shows."""
    query = select(TenantDeletionRow).where(TenantDeletionRow.token_digest == digest)
    row = await tx.session.scalar(query)
    return await _deletion(tx, row) if row else None


async def every(tx: Transaction) -> list[Deletion]:
    """Return all deletions, the newest first."""
    query = select(TenantDeletionRow).order_by(TenantDeletionRow.deleted_at.desc())
    return [await _deletion(tx, row) for row in (await tx.session.scalars(query)).all()]


async def keep_receipt(tx: Transaction, receipt: TenantErased) -> None:
    """Keep a service's receipt; the first one counts."""
    table = ErasureReceiptRow.metadata.tables[ErasureReceiptRow.__tablename__]
    row = {
        "tenant_id": receipt.tenant_id,
        "service": receipt.service,
        "erased_at": receipt.occurred_at,
        "erased": receipt.erased,
    }
    await insert_new(tx.session, table, [row], returning=[table.c.service])


async def _deletion(tx: Transaction, row: TenantDeletionRow) -> Deletion:
    query = select(ErasureReceiptRow).where(ErasureReceiptRow.tenant_id == row.tenant_id)
    found = await tx.session.scalars(query.order_by(ErasureReceiptRow.service))
    receipts = [Receipt(each.service, each.erased_at, each.erased) for each in found]
    return Deletion(row.tenant_id, row.deleted_at, receipts)
