"""Signing in, staying signed in, signing out."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.database import Database, Transaction
from chassis.identity import Caller
from chassis.problems import Unauthenticated
from gateway.domain.people import Person
from gateway.operations.attempts import Attempts
from gateway.operations.passwords import Passwords
from gateway.operations.tokens import Tokens, not_valid
from gateway.store import people, sessions
from gateway.store.sessions import Session

#: How long a session is remembered after its end.
_REMEMBERED = timedelta(days=7)
_NOT_LET_IN = "Unable to log in with provided credentials."


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person with the tokens of a session."""

    person: Person
    session_uid: str
    access: str
    refresh: str
    access_expires_at: datetime
    refresh_expires_at: datetime
    access_lifetime: int
    refresh_lifetime: int


class Sessions:
    """The life of sign-ins. Passwords are checked with no transaction open: that is slow on
    purpose.
    """

    def __init__(
        self,
        database: Database,
        *,
        passwords: Passwords,
        tokens: Tokens,
        access_lifetime: int,
        refresh_lifetime: int,
        attempts: Attempts,
    ) -> None:
        """Issue tokens with these lifetimes, in seconds; count failed log-ins."""
        self._database = database
        self._passwords = passwords
        self._tokens = tokens
        self._access_lifetime = access_lifetime
        self._refresh_lifetime = refresh_lifetime
        self._attempts = attempts
        #: Told of each access token that is issued, so that it is known where it is shown.
        self.on_issue: Callable[[str], None] = _nobody
        #: Told of each session that ended, so that what remembers its tokens forgets them at once.
        self.on_end: Callable[[str], None] = _nobody

    async def sign_in(
        self,
        password: str,
        *,
        network: str,
        email: str | None = None,
        username: str | None = None,
    ) -> SignedIn:
        """Open a session for who knows the password; `network` is where they ask from.

        Raises:
            Unauthenticated: nobody does, or they may not sign in.
            TooManyRequests: there were too many failures at the account.
        """
        # All of them count: a made-up name beside somebody's address hides no guess at it.
        named = [each for each in (email, username) if each]
        self._attempts.admit(named, network)
        async with self._database.transaction(tenant_id=None, write=False) as tx:
            found = await people.credentials(tx, email=email, username=username)
        nobody: list[tuple[Person | None, str | None]] = [(None, None)]
        for person, kept in found or nobody:
            genuine = await self._passwords.matches(password, kept)
            if person is not None and genuine and person.is_active:
                return await self.begin(person, proof=kept)
        await self._attempts.note_failure(named, network)
        raise Unauthenticated(_NOT_LET_IN)

    async def begin(self, person: Person, *, proof: str | None = None) -> SignedIn:
        """Open a session for a person who knows a password; `proof` is the hash that it matched,
        absent for who has just registered.

        Checking a password takes a while. Whose password was changed meanwhile, and who was
        deactivated or erased, is refused.

        Raises:
            Unauthenticated: the password is no longer theirs, or they may not sign in.
        """
        async with self._database.transaction(tenant_id=person.tenant_id) as tx:
            now_kept = await people.held(tx, person.id)
            current, password_hash = now_kept or (None, None)
            outdated = proof is not None and password_hash != proof
            if current is None or outdated or not current.is_active:
                raise Unauthenticated(_NOT_LET_IN)
            expires_at = tx.clock() + timedelta(seconds=self._refresh_lifetime)
            session = await sessions.open_for(tx, person, expires_at=expires_at)
            now = tx.clock()
            person = (
                await people.change(tx, person.id, last_login_at=now, last_active_at=now) or person
            )
        return self._signed_in(person, session, generation=0)

    async def refresh(self, token: str) -> SignedIn:
        """Exchange a refresh token for fresh ones; one that was spent before ends its whole family,
        unless it was spent in the last seconds: then it is refused, and that is all.

        Raises:
            Unauthenticated: the token is worth nothing.
        """
        claims = await self._tokens.read(token, "refresh")
        uid, generation = str(claims.get("session_id")), int(claims.get("generation", -1))
        async with self._database.transaction(tenant_id=None) as tx:
            found = await sessions.get(tx, uid)
            if found is None or not found[0].lives(tx.clock()) or not found[1].is_active:
                raise not_valid()
            session, person = found
            expires_at = tx.clock() + timedelta(seconds=self._refresh_lifetime)
            fresh = await sessions.advance(
                tx, session, generation=generation, expires_at=expires_at
            )
            stolen = not fresh and not await self._was_just_spent(tx, uid, generation)
            if stolen:
                await sessions.end(tx, uid)
        if stolen:
            self.on_end(uid)
        if not fresh:
            raise not_valid()
        return self._signed_in(person, session, generation=generation + 1)

    async def _was_just_spent(self, tx: Transaction, uid: str, generation: int) -> bool:
        """Tell whether a generation was spent in the last seconds, at this very moment included."""
        found = await sessions.get(tx, uid)
        return found is not None and found[0].was_just_spent(generation, tx.clock())

    async def end(self, uid: str) -> None:
        """End a session, its access tokens included."""
        async with self._database.transaction(tenant_id=None) as tx:
            await sessions.end(tx, uid)
        self.on_end(uid)

    async def end_of(self, caller: Caller, *, but: str | None = None) -> None:
        """End every session of a person, one excepted if told."""
        async with self._database.transaction(caller) as tx:
            ended = await sessions.end_all(tx, caller.person_id or 0, but=but)
        for uid in ended:
            self.on_end(uid)

    async def verify(self, token: str) -> None:
        """Let a token pass that is worth something, whatever it is for.

        Raises:
            Unauthenticated: it is worth nothing.
        """
        try:
            claims = await self._tokens.read(token, "access")
        except Unauthenticated:
            claims = await self._tokens.read(token, "refresh")
        async with self._database.transaction(tenant_id=None, write=False) as tx:
            found = await sessions.get(tx, str(claims.get("session_id")))
            spent = "generation" in claims and found and claims["generation"] != found[0].generation
            if found is None or spent or not found[0].lives(tx.clock()) or not found[1].is_active:
                raise not_valid()

    async def run(self) -> None:
        """Delete, once an hour, the sessions that were over long ago."""
        while True:
            async with self._database.transaction(tenant_id=None) as tx:
                await sessions.forget(tx, before=tx.clock() - _REMEMBERED)
            await asyncio.sleep(3600)

    def _signed_in(self, person: Person, session: Session, *, generation: int) -> SignedIn:
        shared = {
            "sub": person.uid,
            "user_id": str(person.id),
            "session_id": session.uid,
            "tenant": person.tenant_id,
        }
        access = self._tokens.write(
            "access",
            shared | {"email": person.email, "role": person.role},
            lifetime=self._access_lifetime,
        )
        refresh = self._tokens.write(
            "refresh", shared | {"generation": generation}, lifetime=self._refresh_lifetime
        )
        self.on_issue(access)
        now = self._database.clock()
        return SignedIn(
            person=person,
            session_uid=session.uid,
            access=access,
            refresh=refresh,
            access_expires_at=now + timedelta(seconds=self._access_lifetime),
            refresh_expires_at=now + timedelta(seconds=self._refresh_lifetime),
            access_lifetime=self._access_lifetime,
            refresh_lifetime=self._refresh_lifetime,
        )


def _nobody(_told: str) -> None:
    return None
