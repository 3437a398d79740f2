"""How people come in: with a tenant of their own, by invitation, or as the platform's first."""

import secrets
from collections.abc import Callable

from chassis.database import Database, Transaction
from chassis.problems import Conflict, Forbidden, Invalid
from contracts.tenants import TenantRegistered
from gateway.domain.people import Person, Role, split_name, too_long, weaknesses
from gateway.operations.first_password import FirstPassword
from gateway.operations.passwords import Passwords
from gateway.operations.tokens import Tokens, not_valid
from gateway.store import people

_TAKEN = {
    "email": "A user with that e-mail address already exists.",
    "username": "A user with that username already exists.",
}
_CLOSED = "New tenants are made by invitation of the operator here, or not at all."


class Registration:
    """Registers tenants with their first admin, and people who were invited."""

    def __init__(
        self,
        database: Database,
        *,
        passwords: Passwords,
        tokens: Tokens,
        is_open: bool,
        invites: bool,
    ) -> None:
        """Work on the gateway's database. `is_open`: anybody may make a tenant; `invites`: whom the
        operator invites may.
        """
        self._database = database
        self._passwords = passwords
        self._tokens = tokens
        self._is_open = is_open
        self._invites = invites

    async def register(
        self, *, email: str, password: str, name: str = "", username: str | None = None
    ) -> Person:
        """Make a new tenant with its first admin.

        Raises:
            Forbidden: not everybody may.
            Conflict: somebody has this address or name.
            Invalid: the password is too weak.
        """
        if not self._is_open:
            raise Forbidden(_CLOSED, code="REGISTRATION_CLOSED")
        return await self._register(email, password=password, name=name, username=username)

    async def _register(
        self, email: str, *, password: str, name: str, username: str | None = None
    ) -> Person:
        username = username or email
        refuse_weak(password, username=username, email=email)
        async with self._database.transaction(tenant_id=None, write=False) as tx:
            await refuse_taken(tx, email=email, username=username)
        kept = await self._passwords.hash(password)
        async with self._database.transaction(tenant_id=None) as tx:
            await refuse_taken(tx, email=email, username=username)
            return await _found(
                tx,
                email=email,
                username=username,
                name=name or username,
                role="admin",
                password_hash=kept,
            )

    async def accept(self, invitation: str, *, password: str, name: str = "") -> Person:
        """Let an invited person in, with the password they chose; whom the operator has invited,
        with a tenant of their own.

        Raises:
            Unauthenticated: the invitation is worth nothing, or was accepted before.
            Forbidden: it makes a tenant, and nobody may.
        """
        claims = await self._tokens.read(invitation, "invitation")
        if claims.get("makes_tenant") is True:
            if not (self._is_open or self._invites):
                raise Forbidden(_CLOSED, code="REGISTRATION_CLOSED")
            return await self._register(str(claims["email"]), password=password, name=name)
        refuse_weak(password, email=str(claims.get("email", "")))
        kept = await self._passwords.hash(password)
        async with self._database.transaction(tenant_id=None) as tx:
            person = await people.get_by_uid(tx, str(claims["sub"]))
            # One invitation may be accepted twice at once: the lock decides who is first.
            found = await people.held(tx, person.id) if person else None
            if found is None or found[1] is not None:
                raise not_valid()
            person = found[0]
            changes = {"name": name} if name else {}
            return await people.change(tx, person.id, password_hash=kept, **changes) or person


async def _found(
    tx: Transaction,
    *,
    email: str,
    username: str,
    name: str,
    role: Role,
    password_hash: str,
) -> Person:
    """Make a tenant with its first person and tell the others."""
    tenant_id = await people.add_tenant(tx, name)
    first, last = split_name(name)
    async with tx.scoped(tenant_id):
        person = await people.add(
            tx,
            username=username,
            email=email,
            name=name,
            first_name=first,
            last_name=last,
            role=role,
            is_active=True,
            password_hash=password_hash,
        )
    tx.emit(
        TenantRegistered(tenant_id=tenant_id, occurred_at=tx.clock(), name=name, owner_id=person.id)
    )
    return person


async def refuse_taken(
    tx: Transaction, *, email: str | None, username: str | None, but: int | None = None
) -> None:
    """Refuse an address or a name that somebody else has, in whatever case, or that is too long."""
    unfit = too_long(email=email or "", username=username or "")
    if unfit:
        # A username that was made from the address says nothing of its own.
        raise Invalid(fields={"email": next(iter(unfit.values()))} if email == username else unfit)
    taken = await people.taken(tx, email=email, username=username, but=but)
    if taken:
        # A username that was made from the address says nothing of its own.
        named = {"email"} if taken == {"email", "username"} and email == username else taken
        fields = {name: [_TAKEN[name]] for name in sorted(named)}
        raise Conflict(_TAKEN[min(named)], fields=fields)


def refuse_weak(
    password: str, *, username: str = "", email: str = "", field: str = "password"
) -> None:
    """Refuse a password that anybody would guess."""
    found = weaknesses(password, username=username, email=email)
    if found:
        raise Invalid(fields={field: found})


async def bootstrap(
    database: Database,
    passwords: Passwords,
    *,
    username: str,
    email: str,
    password: str | None,
    first: FirstPassword,
    tell: Callable[[str], None],
) -> None:
    """Make the platform's operator where there is none. A password that we chose is kept in a file,
    and only the file's path is told: what is printed ends in a log.
    """
    async with database.transaction(tenant_id=None, write=False) as tx:
        if await people.taken(tx, email=email, username=username):
            return
    chosen = password or secrets.token_urlsafe(18)
    kept = await passwords.hash(chosen)
    async with database.transaction(tenant_id=None) as tx:
        await tx.take_turns("operator")  # another gateway may start for the first time, too
        if await people.taken(tx, email=email, username=username):
            return
        await _found(
            tx,
            email=email,
            username=username,
            name="Operator",
            role="superuser",
            password_hash=kept,
        )
        if password is None:
            first.keep(chosen)
            tell(f"Sign in as {username} with the password in {first.path}")
