"""Credentials that were checked a moment ago, each with the assertion that services are shown for
it.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from chassis import telemetry
from chassis.away import is_away
from chassis.clock import now
from chassis.identity import LIFETIME, AssertionSigner
from chassis.problems import Unauthenticated, Unavailable
from gateway.domain.identities import Identity
from gateway.forwarding.acquaintances import Acquaintances
from gateway.forwarding.incoming import Incoming
from gateway.forwarding.memory import Memory
from gateway.forwarding.metrics import UNCHECKED
from gateway.forwarding.refused import Refusals
from gateway.forwarding.uses import Uses

#: Seconds after which a credential is checked again, while it is still trusted, and after which
#: it no longer is: so long may another gateway's change go unnoticed here.
_FRESH_FOR = 0.5
_TRUSTED_FOR = 1.0
#: Seconds for which an assertion is shown again, so that it still lives when it arrives.
_SHOWN_FOR = LIFETIME / 2
_MOST = 50_000
#: Seconds that the database gets to answer who somebody is.
_PATIENCE = 3.0
#: Seconds that a check of somebody known gets before he is believed without it, and the seconds
#: after his last check for which that holds: the database is slow or away, and he was genuine.
_KNOWN_PATIENCE = 0.25
_BELIEVED_FOR = 30.0
#: Seconds for which a refused secret is refused again without a look.
_REFUSED_FOR = 1.0
#: Checks of secrets never seen before that use the database at a time, and that wait for it.
_STRANGERS, _STRANGERS_WAITING = 4, 256
#: Seconds that checks under way get when the gateway stops.
_GRACE = 1.0


def _is_young(since: float, moment: float, most: float) -> bool:
    """Tell whether less than `most` seconds have passed: not where the clock was set back."""
    return 0 <= moment - since < most


Check = Callable[[str], Awaitable[Identity]]


class Checks(Protocol):
    """What asks the database."""

    async def of_token(self, token: str) -> Identity:
        """Return who carries an access token."""
        ...

    async def of_key(self, key: str) -> Identity:
        """Return who an API key speaks for."""
        ...


@dataclass(slots=True)
class Known:
    """An identity, how long it may be trusted unasked, and its assertions."""

    identity: Identity
    checked_at: float = -inf
    #: By service, each with the key that signed it and the moment.
    assertions: dict[str, tuple[object, float, str]] = field(default_factory=dict)

    def is_trusted(self, moment: float) -> bool:
        """Tell whether the identity may be believed without asking."""
        return self._holds(moment, _TRUSTED_FOR)

    def is_believable(self, moment: float) -> bool:
        """Tell whether the identity may be believed where nobody can be asked."""
        return self._holds(moment, _BELIEVED_FOR)

    def _holds(self, moment: float, seconds: float) -> bool:
        ends_at = self.identity.ends_at
        return _is_young(self.checked_at, moment, seconds) and moment < (ends_at or inf)


class Remembered:
    """Answers who a credential speaks for, from memory for a second."""

    def __init__(self, checks: Checks, signer: AssertionSigner, uses: Uses) -> None:
        """Ask `checks` what is not known; sign with the gateway's assertion key."""
        self.checks = checks
        self._signer = signer
        self._uses = uses
        self._known = Memory[Known](most=_MOST)
        self._asked: dict[str, asyncio.Task[Identity]] = {}
        self._refusals = Refusals(seconds=_REFUSED_FOR)
        self._acquaintances = Acquaintances()
        self._strangers = asyncio.Semaphore(_STRANGERS)
        self._strangers_waiting = 0
        self._background: set[asyncio.Task[None]] = set()
        #: Rises with every change, so that a check under way before it is not remembered after it.
        self._epoch = 0

    async def start(self) -> None:
        """Know nobody."""

    async def stop(self) -> None:
        """Finish the checks under way: they use the database. One that hangs is given up."""
        under_way = {*self._background, *self._asked.values()}
        if under_way:
            _, hanging = await asyncio.wait(under_way, timeout=_GRACE)
            for task in hanging:
                task.cancel()

    async def of(self, incoming: Incoming) -> Known | None:
        """Return who asks, and note that they did; None where no credential is shown.

        Raises:
            Unauthenticated: the credential is worth nothing.
        """
        known = await self.present(incoming)
        if known is not None:
            self._uses.note(known.identity, now())
        return known

    async def present(self, incoming: Incoming) -> Known | None:
        """Return who the credential of a connection that stays open speaks for at present; None
        where no credential is shown.

        Raises:
            Unauthenticated: the credential is worth nothing, or no longer.
        """
        if incoming.api_key is not None:
            return await self._look(incoming.api_key, self.checks.of_key)
        if (token := incoming.token) is not None:
            return await self._look(token, self.checks.of_token)
        return None

    def knows(self, incoming: Incoming) -> bool:
        """Tell whether the credential shown was genuine within the hour."""
        secret = incoming.api_key or incoming.token
        return secret is not None and (secret in self._known or self._acquaintances.knows(secret))

    def acquaint(self, token: str) -> None:
        """Know an access token that was just issued."""
        self._acquaintances.note(token)

    def assertion(self, known: Known, service: str) -> str:
        """Return an assertion for a service, with at least half of its life ahead."""
        moment, key = time.time(), self._signer.key
        signed_by, signed_at, assertion = known.assertions.get(service, (None, -inf, ""))
        if signed_by is not key or not _is_young(signed_at, moment, _SHOWN_FOR):
            assertion = self._signer.sign(known.identity.caller, service=service)
            known.assertions[service] = key, moment, assertion
        return assertion

    def forget(
        self,
        *,
        session: str | None = None,
        prefix: str | None = None,
        person: int | None = None,
        tenant: str | None = None,
    ) -> None:
        """Forget a session's tokens, the keys with a prefix, or all that is a person's or a
        tenant's, at once.
        """
        self._epoch += 1
        self._refusals.clear()
        tags = {"session": session, "prefix": prefix, "person": person, "tenant": tenant}
        for kind, which in tags.items():
            if which is not None:
                self._known.drop_tagged(kind, which)

    async def _look(self, secret: str, check: Check) -> Known:
        moment = time.time()
        known = self._known.get(secret)
        if known is None or not known.is_believable(moment):
            return await self._met(secret, check)
        if not known.is_trusted(moment):
            return await self._met_again(secret, check, known)
        if not _is_young(known.checked_at, moment, _FRESH_FOR) and secret not in self._asked:
            # Nobody waits for this one: it is written into `known` when it is done.
            self._check_behind(secret, check)
        return known

    async def _met(self, secret: str, check: Check) -> Known:
        """Check a secret that is not known: such checks leave room for those of known ones."""
        if (refusal := self._refusals.of(secret)) is not None:
            raise refusal
        if self._strangers_waiting >= _STRANGERS_WAITING:
            raise Unavailable("Too many credentials are being checked; try again.")
        self._strangers_waiting += 1
        try:
            async with asyncio.timeout(_PATIENCE), self._strangers:
                return await self._checked(secret, check)
        except TimeoutError as error:
            raise Unavailable("Credentials cannot be checked at present; try again.") from error
        finally:
            self._strangers_waiting -= 1

    async def _met_again(self, secret: str, check: Check, known: Known) -> Known:
        """Check a known secret again; where the database does not say, believe what it said."""
        try:
            return await self._checked(secret, check, patience=_KNOWN_PATIENCE)
        except Unavailable:
            UNCHECKED.inc()
            return known

    def _check_behind(self, secret: str, check: Check) -> None:
        task = asyncio.ensure_future(self._again(secret, check))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _again(self, secret: str, check: Check) -> None:
        with contextlib.suppress(Unauthenticated):
            try:
                await self._checked(secret, check)
            except Unavailable:
                telemetry.log.warning("a credential could not be checked again", exc_info=True)

    async def _checked(self, secret: str, check: Check, *, patience: float = _PATIENCE) -> Known:
        """Ask the database and remember its answer, unless something changed meanwhile."""
        moment, epoch = time.time(), self._epoch
        try:
            identity = await self._once(secret, check, patience)
        except Unauthenticated as refusal:
            self._known.drop(secret)
            self._acquaintances.forget(secret)
            if epoch == self._epoch:
                self._refusals.note(secret, refusal)
            raise
        known = self._known.get(secret)
        if known is None or known.identity != identity:
            known = Known(identity)
        known.checked_at = moment
        self._acquaintances.note(secret)
        if epoch == self._epoch:
            self._known.put(secret, known)
        return known

    async def _once(self, secret: str, check: Check, patience: float) -> Identity:
        """Check a secret; requests that come meanwhile wait for the same answer."""
        task = self._asked.get(secret)
        if task is None:
            task = self._asked[secret] = asyncio.ensure_future(check(secret))
            task.add_done_callback(lambda done: self._settled(secret, done))
        try:
            async with asyncio.timeout(patience):
                return await asyncio.shield(task)
        except Exception as error:
            if not is_away(error):
                raise
            raise Unavailable("Credentials cannot be checked at present; try again.") from error

    def _settled(self, secret: str, done: asyncio.Task[Identity]) -> None:
        self._asked.pop(secret, None)
        if not done.cancelled():
            done.exception()  # seen: whoever waited has heard of it, or has given up
