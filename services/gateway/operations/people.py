"""The people of a tenant: made, changed, disabled and erased by its admins, and by themselves."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from chassis.database import Database, Transaction
from chassis.identity import Caller
from chassis.problems import Conflict, Forbidden, Invalid, NotFound
from chassis.validation import REQUIRED
from contracts.tenants import PersonErased
from gateway.domain.people import Person, fold, split_name
from gateway.operations.api_keys import announce_revoked
from gateway.operations.first_password import FirstPassword
from gateway.operations.passwords import Passwords
from gateway.operations.registration import refuse_taken, refuse_weak
from gateway.operations.tokens import Tokens, not_valid
from gateway.store import api_keys, people, sessions

_NO_SUCH = "No User matches the given query."
_NOT_ALLOWED = "You do not have permission to perform this action."
_WRONG = {"old_password": ["Current password is incorrect."]}
INVITED_FOR = 7 * 24 * 3600
#: After a log-in that is younger, a password may be changed without the old one.
_FRESH = timedelta(minutes=5)


class People:
    """What may be done with people, and by whom."""

    def __init__(
        self, database: Database, *, passwords: Passwords, tokens: Tokens, first: FirstPassword
    ) -> None:
        """Work on the gateway's database; `first` is the operator's until it is changed."""
        self._database = database
        self._passwords = passwords
        self._tokens = tokens
        self._first = first
        #: Told of each person whose rights have changed, so that nothing remembered outlives them.
        self.on_change: Callable[[int], None] = _nobody

    async def find(
        self, tx: Transaction, *, offset: int, limit: int, search: str = ""
    ) -> tuple[Sequence[Person], int]:
        """Return a page of the people that the caller may see: admins all, others themselves."""
        only = None if tx.caller.is_admin else tx.caller.person_id
        async with tx.scoped(_reach(tx.caller)):
            return await people.find(tx, offset=offset, limit=limit, search=search, only=only)

    async def get(self, tx: Transaction, name: str) -> Person:
        """Return a person by id or uid.

        Raises:
            NotFound: there is none, or none that the caller may see.
        """
        async with tx.scoped(_reach(tx.caller)):
            person = await _by_name(tx, name)
        if person is None or not (tx.caller.is_admin or person.uid == tx.caller.subject):
            raise NotFound(_NO_SUCH)
        return person

    async def myself(self, tx: Transaction, caller: Caller) -> Person:
        """Return the person who asks, or the owner of the key that does."""
        person = await people.get(tx, caller.person_id or 0)
        if person is None:
            raise NotFound(_NO_SUCH)
        return person

    async def create(
        self, caller: Caller, values: dict[str, Any], *, password: str | None
    ) -> tuple[Person, str | None]:
        """Add a person to the caller's tenant; without a password, return an invitation too."""
        email, username = values.get("email", ""), values["username"]
        kept = None
        if password is not None:
            refuse_weak(password, username=username, email=email)
            kept = await self._passwords.hash(password)
        async with self._database.transaction(caller) as tx:
            # Whoever deletes the tenant at this moment comes before or after.
            await tx.take_turns(f"admins:{caller.tenant_id}")
            await refuse_demoted(tx)
            await refuse_taken(tx, email=email, username=username)
            person = await people.add(tx, **_named(values), password_hash=kept)
        return person, None if kept else self._invitation(person)

    def _invitation(self, person: Person) -> str:
        claims = {"sub": person.uid, "email": person.email, "tenant": person.tenant_id}
        return self._tokens.write("invitation", claims, lifetime=INVITED_FOR)

    async def change(self, tx: Transaction, name: str, values: dict[str, Any]) -> Person:
        """Change a person, as an admin may."""
        person = await self._alone_with(tx, name)
        loses = values.get("is_active") is False or values.get("role", person.role) == "user"
        if loses and person.is_admin and person.is_active:
            await _refuse_last_admin(tx, person)
        if values.get("is_active") is False and person.uid == tx.caller.subject:
            raise Invalid("You cannot deactivate your own account.")
        return await self._changed(tx, person, values)

    async def toggle(self, tx: Transaction, name: str) -> Person:
        """Turn a person's state round."""
        person = await self._alone_with(tx, name)
        return await self.change(tx, name, {"is_active": not person.is_active})

    async def change_oneself(self, tx: Transaction, values: dict[str, Any]) -> Person:
        """Change one's own names."""
        return await self._changed(tx, await self.myself(tx, tx.caller), values)

    async def _changed(self, tx: Transaction, person: Person, values: dict[str, Any]) -> Person:
        email = _another(values.get("email"), than=person.email)
        username = _another(values.get("username"), than=person.username)
        await refuse_taken(tx, email=email, username=username, but=person.id)
        async with tx.scoped(person.tenant_id):
            if values.get("is_active") is False:
                await sessions.end_all(tx, person.id)
            changed = await people.change(tx, person.id, **_named(values)) if values else person
        tx.after_commit(lambda: self.on_change(person.id))
        return changed or person

    async def erase(self, tx: Transaction, name: str) -> None:
        """Delete a person for ever, with everything that services hold about them."""
        person = await self._alone_with(tx, name)
        if person.uid == tx.caller.subject:
            raise Invalid("You cannot delete your own account.")
        if person.is_admin and person.is_active:
            await _refuse_last_admin(tx, person)
        async with tx.scoped(person.tenant_id):
            prefixes = await api_keys.prefixes_of_owner(tx, person.id)
            await people.remove(tx, person.id)
        announce_revoked(tx, person.tenant_id, prefixes)
        tx.emit(
            PersonErased(tenant_id=person.tenant_id, occurred_at=tx.clock(), person_uid=person.uid)
        )
        tx.after_commit(lambda: self.on_change(person.id))

    async def change_password(
        self,
        caller: Caller,
        new: str,
        *,
        old: str | None,
        field: str,
        session: str | None,
        needs_old: bool = True,
        revoke_keys: bool = False,
    ) -> int:
        """Change one's own password, end one's other sessions and, where told, revoke one's API
        keys; return how many were revoked.

        `old` is checked where it is given. It may be absent shortly after a log-in, or where
        `needs_old` is false.

        Raises:
            Invalid: the old password is wrong, or missing.
            Unauthenticated: the session that asks ended while the passwords were hashed.
        """
        async with self._database.transaction(caller, write=False) as tx:
            person = await people.get(tx, caller.person_id or 0)
            kept = await people.password_hash(tx, caller.person_id or 0)
            if old is None and needs_old and not await _is_fresh(tx, session):
                raise Invalid(fields={"old_password": [REQUIRED]})
        if person is None:
            raise NotFound(_NO_SUCH)
        if old is not None and not await self._passwords.confirms(old, kept):
            raise Invalid(fields=_WRONG)
        hashed = await self._hashed(person, new, field=field)
        async with self._database.transaction(caller) as tx:
            current = await people.held(tx, person.id)
            if current is None or not await sessions.live(tx, session):
                raise not_valid()
            if old is not None and current[1] != kept:
                raise Invalid(fields=_WRONG)
            return await self._keep_password(
                tx, person, hashed, but=session, revoke_keys=revoke_keys
            )

    @staticmethod
    def refuse_others(caller: Caller, name: str | None) -> None:
        """Refuse to act for anybody but oneself."""
        if name is not None and name not in {str(caller.person_id), caller.subject}:
            raise Forbidden("You can change only your own password.")

    async def reset_password(
        self, caller: Caller, name: str, new: str, *, revoke_keys: bool = True
    ) -> int:
        """Give a person another password, as an admin may, end their sessions and, unless told
        otherwise, revoke their API keys; return how many were revoked.
        """
        async with self._database.transaction(caller, write=False) as tx:
            person = await self._manageable(tx, name)
        hashed = await self._hashed(person, new, field="new_password")
        async with self._database.transaction(caller) as tx:
            person = await self._alone_with(tx, name)
            async with tx.scoped(person.tenant_id):
                return await self._keep_password(
                    tx, person, hashed, but=None, revoke_keys=revoke_keys
                )

    async def _hashed(self, person: Person, new: str, *, field: str) -> str:
        refuse_weak(new, username=person.username, email=person.email, field=field)
        return await self._passwords.hash(new)

    async def _keep_password(
        self, tx: Transaction, person: Person, hashed: str, *, but: str | None, revoke_keys: bool
    ) -> int:
        await people.change(tx, person.id, password_hash=hashed)
        await sessions.end_all(tx, person.id, but=but)
        revoked = await api_keys.revoke_of_owner(tx, person.id) if revoke_keys else []
        announce_revoked(tx, person.tenant_id, revoked)
        await self._first.changed_by(tx, person)
        tx.after_commit(lambda: self.on_change(person.id))
        return len(revoked)

    async def _manageable(self, tx: Transaction, name: str) -> Person:
        person = await self.get(tx, name)
        if not tx.caller.is_admin or (person.role == "superuser" and not tx.caller.is_operator):
            raise Forbidden(_NOT_ALLOWED)
        return person

    async def _alone_with(self, tx: Transaction, name: str) -> Person:
        """Return a person whom an admin may change, as they and the admin stand now; until the end
        of the transaction no other admin of the tenant does the same.
        """
        tenant_id = (await self._manageable(tx, name)).tenant_id
        await tx.take_turns(f"admins:{tenant_id}")
        await refuse_demoted(tx)
        person = await self._manageable(tx, name)
        async with tx.scoped(tenant_id):
            await people.held(tx, person.id)
        return await self._manageable(tx, name)


def _reach(caller: Caller) -> str | None:
    """Return the tenant whose people a caller may see; the platform's operator sees all."""
    return None if caller.is_operator else caller.tenant_id


async def _by_name(tx: Transaction, name: str) -> Person | None:
    if name.isascii() and name.isdigit() and len(name) < 19:
        return await people.get(tx, int(name))
    return await people.get_by_uid(tx, name) if len(name) == 36 else None


async def _is_fresh(tx: Transaction, session: str | None) -> bool:
    """Tell whether a session began with a log-in a moment ago."""
    found = await sessions.get(tx, session) if session else None
    return found is not None and tx.clock() - found[0].created_at < _FRESH


async def refuse_demoted(tx: Transaction) -> None:
    """Refuse an admin who was one when the request came in, and is one no more."""
    async with tx.scoped(tx.caller.tenant_id):
        now = await people.get(tx, tx.caller.person_id or 0)
    if now is None or not (now.is_active and now.is_admin):
        raise Forbidden(_NOT_ALLOWED)
    if tx.caller.is_operator and now.role != "superuser":
        raise Forbidden(_NOT_ALLOWED)


async def _refuse_last_admin(tx: Transaction, person: Person) -> None:
    async with tx.scoped(person.tenant_id):
        others = await people.count_admins(tx, but=person.id)
    if not others:
        raise Conflict("A tenant needs an active admin.")


def _another(text: str | None, *, than: str) -> str | None:
    """Return an address or a name where it is another one: who keeps his own takes nobody's."""
    return text if text and fold(text) != fold(than) else None


def _named(values: dict[str, Any]) -> dict[str, Any]:
    """Fill first and last name from a full name, and the full name from them."""
    values = dict(values)
    if "name" in values and not {"first_name", "last_name"} & set(values):
        values["first_name"], values["last_name"] = split_name(values["name"])
    return values


def _nobody(_person_id: int) -> None:
    return None
