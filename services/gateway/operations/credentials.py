"""From what a client shows to who it is. Slow enough to be remembered for a moment by who asks
often.
"""

import asyncio
from typing import Any

from chassis.database import Database
from chassis.identity import Caller
from chassis.problems import Unauthenticated
from gateway.domain import keys
from gateway.domain.identities import Identity
from gateway.domain.keys import ApiKey
from gateway.domain.people import Person
from gateway.operations.tokens import Tokens
from gateway.store import api_keys, sessions

_NO_TOKEN = "Given token not valid for any token type"  # noqa: S105 - a sentence


class Credentials:
    """Checks tokens and API keys against the database."""

    def __init__(self, database: Database, *, tokens: Tokens | None = None) -> None:
        """Work on the gateway's database; without `tokens` only keys can be checked."""
        self._database = database
        self._tokens = tokens

    async def of_token(self, token: str) -> Identity:
        """Return who carries an access token.

        Raises:
            Unauthenticated: it is worth nothing, or its session has ended.
        """
        claims = await self._claims(token)
        uid = str(claims.get("session_id"))
        async with self._database.transaction(tenant_id=None, write=False) as tx:
            found = await sessions.get(tx, uid)
            if found is None or not found[0].lives(tx.clock()) or not found[1].is_active:
                raise _invalid_token()
        person = found[1]
        return Identity(
            caller=caller_of(person),
            counted_as=f"person:{person.uid}",
            ends_at=float(claims["exp"]),
            session_uid=uid,
        )

    async def _claims(self, token: str) -> dict[str, Any]:
        if self._tokens is None:
            raise _invalid_token()
        try:
            return await self._tokens.read(token, "access")
        except Unauthenticated as error:
            raise _invalid_token() from error

    async def of_key(self, key: str) -> Identity:
        """Return who an API key speaks for.

        Raises:
            Unauthenticated: it is unknown, revoked or expired.
        """
        if not keys.looks_like_a_key(key):
            raise Unauthenticated("Invalid API key format.")
        async with self._database.transaction(tenant_id=None, write=False) as tx:
            candidates = await api_keys.with_prefix(tx, keys.prefix_of(key))
        for candidate, kept, owner, is_default in candidates:
            if await self._matches(key, kept):
                if keys.is_slow(kept):
                    await self._rehash(candidate, key)
                return self._identity(candidate, owner, of_default=is_default)
        raise Unauthenticated("Invalid API key.")

    def _identity(self, key: ApiKey, owner: Person, *, of_default: bool) -> Identity:
        if not (key.is_active and owner.is_active):
            raise Unauthenticated("Invalid API key.")
        if key.expired(self._database.clock()):
            raise Unauthenticated("API key has expired.")
        caller = Caller(
            tenant_id=key.tenant_id,
            subject=key.uid,
            kind="key",
            role=owner.role,
            scopes=frozenset(key.scopes),
            project=key.project,
            person_id=key.owner_id,
            reaches_default=of_default,
        )
        ends_at = key.expires_at.timestamp() if key.expires_at else None
        return Identity(caller, f"key:{key.uid}", ends_at=ends_at, key_id=key.id)

    async def _matches(self, key: str, kept: str) -> bool:
        if keys.is_slow(kept):
            return await asyncio.to_thread(keys.matches, key, kept)
        return keys.matches(key, kept)

    async def _rehash(self, candidate: ApiKey, key: str) -> None:
        """Replace an imported hash, which costs a tenth of a second, by ours."""
        async with self._database.transaction(tenant_id=candidate.tenant_id) as tx:
            await api_keys.rehash(tx, candidate.id, keys.digest_of(key))


def caller_of(person: Person) -> Caller:
    """Return the caller that a signed-in person is."""
    return Caller(
        tenant_id=person.tenant_id,
        subject=person.uid,
        kind="person",
        role=person.role,
        person_id=person.id,
    )


def _invalid_token() -> Unauthenticated:
    return Unauthenticated(
        _NO_TOKEN,
        code="TOKEN_NOT_VALID",
        members={
            "messages": [
                {
                    "token_class": "AccessToken",
                    "token_type": "access",
                    "message": "Token is invalid",
                }
            ]
        },
    )
