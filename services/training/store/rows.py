"""Rows in, values out: the queries that every plain table needs, on one table and one value."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, func, select

from chassis.database import Transaction
from chassis.tables import matching
from training.store.tables import Base

V = TypeVar("V")


class Rows(Generic[V]):
    """The rows of one table as frozen values, whose fields are columns of the same names."""

    def __init__(self, row: type[Base], value: type[V], *, newest: str = "id") -> None:
        """Serve `row` as `value`; lists begin with the largest `newest`."""
        self.row: Any = row
        self._value = value
        self._names = [each.name for each in fields(value) if hasattr(row, each.name)]  # type: ignore[arg-type]
        self._newest = getattr(row, newest)

    def value_of(self, row: Any) -> V:
        """Return a row's value."""
        return self._value(**{name: getattr(row, name) for name in self._names})

    async def find(
        self,
        tx: Transaction,
        *,
        where: Mapping[str, Any],
        offset: int,
        limit: int,
        also: Sequence[ColumnElement[bool]] = (),
    ) -> tuple[list[V], int]:
        """Return one page of what matches, newest first, and the number of all."""
        chosen = select(self.row).where(*self._criteria(where), *also)
        total = await tx.session.scalar(select(func.count()).select_from(chosen.subquery()))
        page = chosen.order_by(self._newest.desc(), self.row.id.desc()).offset(offset).limit(limit)
        return [self.value_of(row) for row in await tx.session.scalars(page)], int(total or 0)

    async def all(self, tx: Transaction, **where: Any) -> list[V]:
        """Return everything that matches, oldest first."""
        chosen = select(self.row).where(*self._criteria(where)).order_by(self.row.id)
        return [self.value_of(row) for row in await tx.session.scalars(chosen)]

    async def get(self, tx: Transaction, row_id: int) -> V | None:
        """Return a row's value, or None."""
        row = await self._row(tx, row_id)
        return None if row is None else self.value_of(row)

    async def add(self, tx: Transaction, **columns: Any) -> V:
        """Keep a new row."""
        row = self.row(**columns)
        tx.session.add(row)
        await tx.session.flush()
        return self.value_of(row)

    async def change(self, tx: Transaction, row_id: int, columns: Mapping[str, Any]) -> V | None:
        """Change some columns of a row; nobody else changes it before the commit."""
        row = await self._row(tx, row_id, hold=True)
        if row is None:
            return None
        for name, value in columns.items():
            setattr(row, name, value)
        await tx.session.flush()
        return self.value_of(row)

    async def remove(self, tx: Transaction, row_id: int) -> bool:
        """Delete a row; tell whether there was one."""
        row = await self._row(tx, row_id, hold=True)
        if row is None:
            return False
        await tx.session.delete(row)
        await tx.session.flush()
        return True

    async def _row(self, tx: Transaction, row_id: int, *, hold: bool = False) -> Any | None:
        # A query, not session.get: the tenant is added to queries alone.
        query = select(self.row).where(self.row.id == row_id)
        if hold:
            query = query.with_for_update().execution_options(populate_existing=True)
        return (await tx.session.scalars(query)).one_or_none()

    def _criteria(self, where: Mapping[str, Any]) -> list[ColumnElement[bool]]:
        return [matching(getattr(self.row, name), value) for name, value in where.items()]
