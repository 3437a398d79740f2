"""The key pairs that sign people's tokens, in the database."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update

from chassis.database import Transaction
from gateway.store.tables import TokenKeyRow


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key pair; the private half is sealed."""

    kid: str
    public_pem: bytes
    sealed_private: bytes
    created_at: datetime


async def all_keys(tx: Transaction) -> list[TokenKey]:
    """Return all key pairs, newest first."""
    query = select(TokenKeyRow).order_by(TokenKeyRow.created_at.desc(), TokenKeyRow.kid)
    return [
        TokenKey(row.kid, row.public_pem, row.sealed_private, row.created_at)
        for row in (await tx.session.execute(query)).scalars()
    ]


async def add(tx: Transaction, key: TokenKey) -> None:
    """Keep a new key pair."""
    tx.session.add(
        TokenKeyRow(
            kid=key.kid,
            public_pem=key.public_pem,
            sealed_private=key.sealed_private,
            created_at=key.created_at,
        )
    )


async def seal(tx: Transaction, kid: str, sealed_private: bytes) -> None:
    """Keep a private half under another seal."""
    rows = update(TokenKeyRow).where(TokenKeyRow.kid == kid)
    await tx.session.execute(rows.values(sealed_private=sealed_private))


async def forget(tx: Transaction, kids: list[str]) -> None:
    """Delete key pairs."""
    await tx.session.execute(delete(TokenKeyRow).where(TokenKeyRow.kid.in_(kids)))
