"""Invoices at rest."""

from dataclasses import asdict

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.domain.invoices import REQUESTS_BEYOND, Invoice, Line, State, cycle_number
from billing.domain.money import CENTIUNITS
from billing.domain.plans import OVERAGE_PRICE
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


async def overage_in(session: AsyncSession, cycle_index: int) -> tuple[int, int]:
    """Return the centiunits beyond the plan, and the billed ones of them, that the invoice of a
    cycle asks for: nothing where there is none.
    """
    query = select(InvoiceRow).where(InvoiceRow.number == cycle_number(cycle_index))
    row = await session.scalar(query)
    lines = [Line(**line) for line in row.lines] if row else []
    asked = [line for line in lines if line.description == REQUESTS_BEYOND]
    amount = sum(line.amount for line in asked)
    return sum(line.quantity for line in asked), amount * CENTIUNITS // OVERAGE_PRICE


async def count(session: AsyncSession) -> int:
    """Return how many invoices the tenant has."""
    return await session.scalar(select(func.count(InvoiceRow.id))) or 0


def _invoice(row: InvoiceRow) -> Invoice:
    state: State = "paid" if row.state == "paid" else "open"
    lines = [Line(**line) for line in row.lines]
    return Invoice(row.number, state, row.starts_at, row.ends_at, lines)
