"""API keys in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update

from chassis.database import Transaction
from gateway.domain.keys import ApiKey
from gateway.domain.people import Person
from gateway.store.people import person_of
from gateway.store.tables import ApiKeyRow, PersonRow, ProjectRow


def key_of(row: ApiKeyRow) -> ApiKey:
    """Return the key in a row."""
    return ApiKey(
        id=row.id,
        uid=row.uid,
        tenant_id=row.tenant_id,
        project=row.project_id,
        name=row.name,
        scopes=tuple(row.scopes.split()),
        key_prefix=row.key_prefix,
        owner_id=row.owner_id,
        is_active=row.is_active,
        ins_datetime=row.ins_datetime,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )


async def add(tx: Transaction, *, hashed_key: str, **values: Any) -> ApiKey:
    """Keep a new key."""
    row = ApiKeyRow(**_columns(values), hashed_key=hashed_key, ins_datetime=tx.clock())
    tx.session.add(row)
    await tx.session.flush()
    return key_of(row)


async def get(tx: Transaction, key_id: int) -> ApiKey | None:
    """Return the tenant's key with this id."""
    query = select(ApiKeyRow).where(ApiKeyRow.id == key_id)
    row = (await tx.session.execute(query)).scalar_one_or_none()
    return key_of(row) if row else None


async def find(
    tx: Transaction, *, offset: int, limit: int, where: Mapping[str, Any]
) -> tuple[Sequence[ApiKey], int]:
    """Return a page of the tenant's keys, newest first, and the number of all that match."""
    wanted = []
    if "project" in where:
        wanted.append(ApiKeyRow.project_id == where["project"])
    if "owner_id" in where:
        wanted.append(ApiKeyRow.owner_id == where["owner_id"])
    query = (
        select(ApiKeyRow)
        .where(*wanted)
        .order_by(ApiKeyRow.ins_datetime.desc(), ApiKeyRow.id.desc())
    )
    rows = (await tx.session.execute(query.offset(offset).limit(limit))).scalars().all()
    total = select(func.count(ApiKeyRow.id)).where(*wanted)
    return [key_of(row) for row in rows], (await tx.session.execute(total)).scalar_one()


async def name_taken(tx: Transaction, *, project: int, name: str, but: int | None) -> bool:
    """Tell whether another key of the project has this name."""
    query = select(ApiKeyRow.id).where(
        ApiKeyRow.project_id == project, ApiKeyRow.name == name, ApiKeyRow.id != (but or 0)
    )
    return (await tx.session.execute(query)).first() is not None


async def change(tx: Transaction, key_id: int, values: Mapping[str, Any]) -> ApiKey | None:
    """Change a key and return it."""
    if values:
        statement = update(ApiKeyRow).where(ApiKeyRow.id == key_id)
        await tx.session.execute(statement.values(**_columns(values)))
        tx.session.expire_all()
    return await get(tx, key_id)


async def remove(tx: Transaction, key_id: int) -> None:
    """Delete a key."""
    await tx.session.execute(delete(ApiKeyRow).where(ApiKeyRow.id == key_id))


async def prefixes_of_owner(tx: Transaction, person_id: int) -> list[str]:
    """Return the prefixes of a person's keys."""
    query = select(ApiKeyRow.key_prefix).where(ApiKeyRow.owner_id == person_id)
    return list((await tx.session.execute(query)).scalars())


async def revoke_of_owner(tx: Transaction, person_id: int) -> list[str]:
    """Revoke a person's keys that are active and return their prefixes."""
    wanted = (ApiKeyRow.owner_id == person_id) & ApiKeyRow.is_active
    statement = update(ApiKeyRow).where(wanted).values(is_active=False)
    found = await tx.session.execute(statement.returning(ApiKeyRow.key_prefix))
    return list(found.scalars())


async def remove_of_project(tx: Transaction, project: int) -> list[str]:
    """Delete the keys of a project and return their prefixes."""
    wanted = ApiKeyRow.project_id == project
    query = select(ApiKeyRow.key_prefix).where(wanted)
    prefixes = list((await tx.session.execute(query)).scalars())
    await tx.session.execute(delete(ApiKeyRow).where(wanted))
    return prefixes


async def with_prefix(tx: Transaction, prefix: str) -> list[tuple[ApiKey, str, Person, bool]]:
    """Return the keys that share a prefix, each with its hash, its owner, and whether its project
    is the tenant's default; none whose owner does not see the key's project (any more).
    """
    whose = ProjectRow.owner_id
    is_seen = whose.is_(None) | (whose == PersonRow.id) | (PersonRow.role != "user")
    query = (
        select(ApiKeyRow, PersonRow, ProjectRow.is_default)
        .join(PersonRow, PersonRow.id == ApiKeyRow.owner_id)
        .outerjoin(ProjectRow, ProjectRow.project_id == ApiKeyRow.project_id)
        .where(is_seen)
        .where(ApiKeyRow.key_prefix == prefix)
        .limit(20)
    )
    rows = (await tx.session.execute(query)).all()
    return [
        (key_of(key), key.hashed_key, person_of(person), bool(is_default))
        for key, person, is_default in rows
    ]


async def rehash(tx: Transaction, key_id: int, hashed_key: str) -> None:
    """Replace the hash of a key."""
    statement = update(ApiKeyRow).where(ApiKeyRow.id == key_id)
    await tx.session.execute(statement.values(hashed_key=hashed_key))


async def note_use(tx: Transaction, moments: Mapping[int, datetime]) -> None:
    """Remember when keys were last used."""
    for key_id, moment in sorted(moments.items()):  # as every gateway does, so none waits in a ring
        statement = update(ApiKeyRow).where(ApiKeyRow.id == key_id)
        await tx.session.execute(statement.values(last_used_at=moment))


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    columns = dict(values)
    if "project" in columns:
        columns["project_id"] = columns.pop("project")
    if "scopes" in columns:
        columns["scopes"] = " ".join(columns["scopes"])
    return columns
