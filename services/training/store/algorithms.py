"""How far each algorithm of a tenant has come."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import select

from chassis.database import Transaction
from training.domain.algorithms import Progress
from training.store.tables import AlgorithmRow


async def progress(tx: Transaction, name: str) -> Progress:
    """Return an algorithm's progress; one that nobody trained has made none."""
    row = await _row(tx, name)
    return Progress(name) if row is None else _value(row)


async def change(tx: Transaction, name: str, **columns: Any) -> Progress:
    """Note progress."""
    row = await _row(tx, name)
    if row is None:
        row = AlgorithmRow(tenant_id=tx.tenant_id, name=name)
        tx.session.add(row)
    for column, value in columns.items():
        setattr(row, column, value)
    await tx.session.flush()
    return _value(row)


async def _row(tx: Transaction, name: str) -> AlgorithmRow | None:
    # Named here too: a transaction that sees all tenants must not meet another tenant's row.
    query = select(AlgorithmRow).where(
        AlgorithmRow.tenant_id == tx.tenant_id, AlgorithmRow.name == name
    )
    return (await tx.session.scalars(query)).one_or_none()


def _value(row: AlgorithmRow) -> Progress:
    return Progress(
        name=row.name,
        interactions_seen=row.interactions_seen,
        items_seen=row.items_seen,
        requested_at=row.requested_at,
        trained_at=row.trained_at,
        model_id=row.model_id,
        version=row.version,
        versions=row.versions,
    )


async def everything(
    tx: Transaction, *, tenants: Collection[str] | None = None
) -> dict[tuple[str, str], Progress]:
    """Return all progress in reach of this transaction, of some tenants if told, by name."""
    query = select(AlgorithmRow)
    if tenants is not None:
        query = query.where(AlgorithmRow.tenant_id.in_(tenants))
    rows = await tx.session.scalars(query)
    return {(row.tenant_id, row.name): _value(row) for row in rows}
