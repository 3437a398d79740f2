"""Deleting a tenant: by one of its admins, who knows the password, or by the operator.

Its people, sessions and keys go with the commit, and every service hears of it. What they hold is
erased behind that; each sends a receipt.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from chassis.database import Database, Transaction
from chassis.identity import Caller
from chassis.problems import Conflict, Invalid, NotFound, Unauthenticated
from contracts.tenants import TenantDeleted, TenantErased
from gateway.domain.deletions import Deletion, digest_of, new_token
from gateway.operations.attempts import Attempts
from gateway.operations.passwords import Passwords
from gateway.operations.people import refuse_demoted
from gateway.store import deletions, people

_WRONG = {"password": ["The password is incorrect."]}
_OPERATORS = "The operator's own tenant cannot be deleted."
_NO_SUCH_DELETION = "No deletion matches the given receipt token."

#: Takes a deletion as this service's own to carry out, with a transaction's commit.
Note = Callable[[Transaction, str, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Begun:
    """A deletion that has begun, with the one sight of the token that shows how it goes on."""

    tenant_id: str
    deleted_at: datetime
    token: str


class Deletions:
    """Deletes tenants and tells how far that has come."""

    def __init__(
        self, database: Database, *, passwords: Passwords, attempts: Attempts, note: Note
    ) -> None:
        """Work on the gateway's database; count wrong passwords as failed log-ins."""
        self._database = database
        self._passwords = passwords
        self._attempts = attempts
        self._note = note

    async def delete(self, caller: Caller, password: str, *, network: str) -> Begun:
        """Delete the caller's tenant; `network` is where they ask from.

        Raises:
            Invalid: the password is not the caller's.
            TooManyRequests: there were too many wrong passwords at the account.
            Forbidden: the caller is no admin any more.
            Conflict: the tenant is the operator's.
        """
        kept = await self._confirmed(caller, password, network)
        token = new_token()
        async with self._database.transaction(caller) as tx:
            await tx.take_turns(f"admins:{caller.tenant_id}")
            await refuse_demoted(tx)
            held = await people.held(tx, caller.person_id or 0)
            if held is None or held[1] != kept:
                raise Invalid(fields=_WRONG)  # it was changed meanwhile
            await self._delete(tx, caller.tenant_id, digest=digest_of(token))
            return Begun(caller.tenant_id, tx.clock(), token)

    async def delete_named(self, tenant_id: str) -> str:
        """Delete any tenant but the operator's, as the operator may; return its name.

        Raises:
            NotFound: there is no such tenant.
            Conflict: the tenant is the operator's.
        """
        async with self._database.transaction(tenant_id=tenant_id) as tx:
            await tx.take_turns(f"admins:{tenant_id}")
            name = await deletions.name_of(tx, tenant_id)
            if name is None:
                raise NotFound(f"There is no tenant {tenant_id!r}.")
            await self._delete(tx, tenant_id, digest=None)
        return name

    async def _delete(self, tx: Transaction, tenant_id: str, *, digest: str | None) -> None:
        if await deletions.has_operator(tx):
            raise Conflict(_OPERATORS)
        await deletions.remove_people(tx, tenant_id)
        await deletions.add(tx, tenant_id, digest=digest)
        tx.emit(TenantDeleted(tenant_id=tenant_id, occurred_at=tx.clock()))
        await self._note(tx, tenant_id, tx.clock())

    async def _confirmed(self, caller: Caller, password: str, network: str) -> str | None:
        """Return the hash that the password of who asks matches."""
        async with self._database.transaction(caller, write=False) as tx:
            found = await people.get(tx, caller.person_id or 0)
            kept = await people.password_hash(tx, caller.person_id or 0)
        if found is None:
            raise Unauthenticated("This person was deleted.")
        names = [each for each in (found.email, found.username) if each]
        self._attempts.admit(names, network)
        if not await self._passwords.confirms(password, kept):
            await self._attempts.note_failure(names, network)
            raise Invalid(fields=_WRONG)
        return kept

    async def shown_by(self, token: str | None) -> Deletion:
        """Return the deletion that a token shows.

        Raises:
            NotFound: it shows none.
        """
        found = None
        if token:
            async with self._database.transaction(tenant_id=None, write=False) as tx:
                found = await deletions.with_digest(tx, digest_of(token))
        if found is None:
            raise NotFound(_NO_SUCH_DELETION)
        return found

    async def every(self) -> list[Deletion]:
        """Return all deletions, the newest first."""
        async with self._database.transaction(tenant_id=None, write=False) as tx:
            return await deletions.every(tx)


async def keep_receipt(event: TenantErased, tx: Transaction) -> None:
    """Keep a service's receipt."""
    await deletions.keep_receipt(tx, event)
