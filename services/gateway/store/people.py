"""People and tenants in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, or_, select, update

from chassis.database import Transaction
from gateway.domain.people import Person, fold
from gateway.store.tables import ApiKeyRow, PersonRow, SessionRow, TenantRow


def person_of(row: PersonRow) -> Person:
    """Return the person in a row."""
    return Person(
        id=row.id,
        uid=row.uid,
        tenant_id=row.tenant_id,
        username=row.username,
        email=row.email,
        name=row.name,
        first_name=row.first_name,
        last_name=row.last_name,
        role=row.role,  # type: ignore[arg-type]
        is_active=row.is_active,
        created_at=row.created_at,
        last_login_at=row.last_login_at,
        last_active_at=row.last_active_at,
    )


async def add_tenant(tx: Transaction, name: str) -> str:
    """Keep a new tenant and return its uid."""
    row = TenantRow(name=name, created_at=tx.clock())
    tx.session.add(row)
    await tx.session.flush()
    return row.uid


async def add(tx: Transaction, *, password_hash: str | None, **values: Any) -> Person:
    """Keep a new person of the transaction's tenant."""
    row = PersonRow(
        **_folded(values),
        password_hash=password_hash,
        created_at=tx.clock(),
    )
    tx.session.add(row)
    await tx.session.flush()
    return person_of(row)


async def get(tx: Transaction, person_id: int) -> Person | None:
    """Return the person with this id, among those that the transaction sees."""
    return await _one(tx, select(PersonRow).where(PersonRow.id == person_id))


async def get_by_uid(tx: Transaction, uid: str) -> Person | None:
    """Return the person with this public id."""
    return await _one(tx, select(PersonRow).where(PersonRow.uid == uid))


async def held(tx: Transaction, person_id: int) -> tuple[Person, str | None] | None:
    """Return a person as they stand now, with the hash of their password; nobody else changes them
    before this transaction ends.
    """
    query = (
        select(PersonRow)
        .where(PersonRow.id == person_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    row = (await tx.session.execute(query)).scalar_one_or_none()
    return (person_of(row), row.password_hash) if row else None


async def _one(tx: Transaction, query: Select[PersonRow]) -> Person | None:
    fresh = query.execution_options(populate_existing=True)  # another transaction may change it
    row = (await tx.session.execute(fresh)).scalar_one_or_none()
    return person_of(row) if row else None


async def credentials(
    tx: Transaction, *, email: str | None = None, username: str | None = None
) -> list[tuple[Person, str | None]]:
    """Return who may be meant by this address or name, each with the hash of their password.

    It is one person, except in rows from before names and addresses were one namespace: there a
    text may be somebody's address and somebody else's name. The address's owner comes first.
    """
    columns = PersonRow.email_folded, PersonRow.username_folded
    wanted = [
        column == fold(text)
        for column, text in zip(columns, (email, username), strict=True)
        if text
    ]
    if not wanted:
        return []
    rows = (await tx.session.execute(select(PersonRow).where(or_(*wanted)))).scalars().all()
    rows = sorted(rows, key=lambda row: row.email_folded != fold(email or ""))
    return [(person_of(row), row.password_hash) for row in rows]


async def newest_operator(tx: Transaction) -> tuple[Person, str | None] | None:
    """Return the platform's newest operator, with the hash of their password."""
    query = select(PersonRow).where(PersonRow.role == "superuser")
    row = (await tx.session.execute(query.order_by(PersonRow.id.desc()).limit(1))).scalar()
    return (person_of(row), row.password_hash) if row else None


async def password_hash(tx: Transaction, person_id: int) -> str | None:
    """Return the hash of a person's password."""
    query = select(PersonRow.password_hash).where(PersonRow.id == person_id)
    found: str | None = (await tx.session.execute(query)).scalar_one_or_none()
    return found


async def taken(
    tx: Transaction, *, email: str | None, username: str | None, but: int | None = None
) -> set[str]:
    """Return which of `email` and `username` somebody else on the platform has already, as address
    or as name: both say who signs in. Others who ask for the same text wait for this transaction.
    """
    wanted = {"email": fold(email or ""), "username": fold(username or "")}
    wanted = {field: text for field, text in wanted.items() if text}
    for text in sorted(set(wanted.values())):  # in one order, so that none waits in a ring
        await tx.take_turns(f"name:{text}")
    found = set()
    async with tx.scoped(None):
        for field, text in wanted.items():
            owned = or_(PersonRow.email_folded == text, PersonRow.username_folded == text)
            query = select(PersonRow.id).where(owned, PersonRow.id != (but or 0)).limit(1)
            if (await tx.session.execute(query)).first():
                found.add(field)
    return found


async def change(tx: Transaction, person_id: int, **values: Any) -> Person | None:
    """Change a person and return them."""
    statement = update(PersonRow).where(PersonRow.id == person_id).values(**_folded(values))
    await tx.session.execute(statement)
    tx.session.expire_all()
    return await get(tx, person_id)


async def find(
    tx: Transaction,
    *,
    offset: int,
    limit: int,
    search: str = "",
    only: int | None = None,
) -> tuple[Sequence[Person], int]:
    """Return a page of people, newest first, and the number of all that match."""
    wanted = []
    if only is not None:
        wanted.append(PersonRow.id == only)
    if search:
        pattern = f"%{_literal(search.casefold())}%"
        names = (PersonRow.name, PersonRow.email, PersonRow.username)
        wanted.append(or_(*(func.lower(name).like(pattern, escape="\\") for name in names)))
    query = (
        select(PersonRow).where(*wanted).order_by(PersonRow.created_at.desc(), PersonRow.id.desc())
    )
    rows = (await tx.session.execute(query.offset(offset).limit(limit))).scalars().all()
    total = select(func.count(PersonRow.id)).where(*wanted)
    return [person_of(row) for row in rows], (await tx.session.execute(total)).scalar_one()


async def count_admins(tx: Transaction, *, but: int) -> int:
    """Return how many active people besides one administer the tenant."""
    query = select(func.count(PersonRow.id)).where(
        PersonRow.role.in_(("admin", "superuser")), PersonRow.is_active, PersonRow.id != but
    )
    return (await tx.session.execute(query)).scalar_one()


async def remove(tx: Transaction, person_id: int) -> None:
    """Delete a person with their sessions and keys."""
    await tx.session.execute(delete(SessionRow).where(SessionRow.person_id == person_id))
    await tx.session.execute(delete(ApiKeyRow).where(ApiKeyRow.owner_id == person_id))
    await tx.session.execute(delete(PersonRow).where(PersonRow.id == person_id))


async def note_activity(tx: Transaction, moments: Mapping[int, datetime]) -> None:
    """Remember when people were last active."""
    for person_id, moment in sorted(moments.items()):  # as for keys
        statement = update(PersonRow).where(PersonRow.id == person_id)
        await tx.session.execute(statement.values(last_active_at=moment))


def _folded(values: dict[str, Any]) -> dict[str, Any]:
    """Add the folded spellings that are compared."""
    values = dict(values)
    if "username" in values:
        values["username_folded"] = fold(values["username"])
    if "email" in values:
        values["email_folded"] = fold(values["email"]) or None
    return values


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
