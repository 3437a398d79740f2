"""Invoices at rest."""

from dataclasses import asdict

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.domain.invoices import Invoice, Line, State
from billing.store.tables import InvoiceRow


async def add(session: AsyncSession, invoice: Invoice, *, origin: str | None = None) -> None:
    """Keep an invoice; `origin` names what was paid, so that it is not invoiced again."""
    session.add(
        InvoiceRow(
            number=invoice.number,
            state=invoice.state,
            starts_at=invoice.starts_at,
            ends_at=invoice.ends_at,
            lines=[asdict(line) for line in invoice.lines],
            origin=origin,
        )
    )
    await session.flush()


async def has(session: AsyncSession, *, origin: str) -> bool:
    """Tell whether what was paid has an invoice."""
    query = select(func.count(InvoiceRow.id)).where(InvoiceRow.origin == origin)
    return bool(await session.scalar(query))


async def all_of_them(session: AsyncSession) -> list[Invoice]:
    """Return the tenant's invoices, newest first."""
    query = select(InvoiceRow).order_by(InvoiceRow.id.desc())
    return [_invoice(row) for row in await session.scalars(query)]


async def count(session: AsyncSession) -> int:
    """Return how many invoices the tenant has."""
    return await session.scalar(select(func.count(InvoiceRow.id))) or 0


def _invoice(row: InvoiceRow) -> Invoice:
    state: State = "paid" if row.state == "paid" else "open"
    lines = [Line(**line) for line in row.lines]
    return Invoice(row.number, state, row.starts_at, row.ends_at, lines)
