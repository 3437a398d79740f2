"""Whose rows a session sees: its tenant is added to every query, and stamped on every new row."""

from typing import Any

from sqlalchemy import String, event
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, with_loader_criteria
from sqlalchemy.orm.unitofwork import UOWTransaction
from sqlalchemy.sql.util import find_tables

#: Where a session keeps its tenant, and what the column of a tenant's table is called.
TENANT = "tenant_id"
#: What a session keeps there until it is told; None is for who sees all tenants.
NOBODY = object()


class TenantScoped:
    """Mixin: rows of one tenant; the session adds the tenant to every query and insert."""

    tenant_id: Mapped[str] = mapped_column(String(36), index=True)


class TenantLeak(RuntimeError):
    """A query or a row would have crossed the border between tenants."""


@event.listens_for(Session, "do_orm_execute")
def _add_tenant(state: ORMExecuteState) -> None:
    """Scope every select, update and delete to the session's tenant, subqueries included.

    A statement that is no ORM statement cannot be scoped, so it may not touch a tenant's table; the
    few bulk paths go through the connection, with the tenant as an argument.
    """
    if state.is_column_load or state.is_relationship_load:
        return
    tenant = state.session.info.get(TENANT, NOBODY)
    if tenant is None:
        return
    if tenant is NOBODY or not state.is_orm_statement:
        if _touches_tenants(state.statement):
            raise TenantLeak("a tenant's table was queried without its tenant")
        return
    state.statement = state.statement.options(
        with_loader_criteria(
            TenantScoped,
            lambda cls: cls.tenant_id == tenant,
            include_aliases=True,
        )
    )


def _touches_tenants(statement: Any) -> bool:
    tables = find_tables(
        statement, include_joins=True, include_aliases=True, include_selects=True, include_crud=True
    )
    return any(TENANT in table.columns for table in tables if hasattr(table, "columns"))


@event.listens_for(Session, "before_flush")
def _stamp_tenant(session: Session, _context: UOWTransaction, _instances: Any) -> None:
    """Stamp new rows with the session's tenant; refuse a row of another."""
    tenant = session.info.get(TENANT, NOBODY)
    for row in session.new:
        if not isinstance(row, TenantScoped):
            continue
        if row.tenant_id is None:
            if not isinstance(tenant, str):
                raise TenantLeak("a row was added without a tenant")
            row.tenant_id = tenant
        elif isinstance(tenant, str) and row.tenant_id != tenant:
            raise TenantLeak("a row of another tenant was added")
