"""Whether a request may pass: its credential, the route's door, the rate, the allowance."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.types import Scope

from chassis.problems import NotFound, PaymentRequired, TooManyRequests, Unauthenticated
from gateway.domain.allowances import Allowances
from gateway.domain.identities import Identity
from gateway.domain.rates import Rate, Window
from gateway.domain.routing import Match
from gateway.forwarding.incoming import Incoming
from gateway.forwarding.proxies import is_near
from gateway.forwarding.remembered import Known, Remembered
from gateway.forwarding.windows import Windows

_NOBODY = "Authentication credentials were not provided."
_CHALLENGE = {"WWW-Authenticate": "X-API-Key"}


@dataclass(slots=True)
class Admission:
    """A request that may pass."""

    known: Known | None = None
    window: Window | None = None
    #: Hundredths of a billing unit taken from the tenant's allowance, to be given back on failure.
    spent: int = 0


class Gate:
    """Lets requests pass, or says why not."""

    def __init__(
        self,
        *,
        remembered: Remembered,
        windows: Windows,
        rates: Mapping[str, Rate | None],
        allowances: Allowances,
    ) -> None:
        """Count by `rates`: key, person, anonymous, inference and login."""
        self._remembered = remembered
        self._windows = windows
        self._rates = rates
        self._allowances = allowances

    async def admit(self, match: Match, incoming: Incoming, scope: Scope) -> Admission:
        """Return the admission of a request.

        Raises:
            Problem: it may not pass.
        """
        route = match.route
        if route.door.is_public:
            if route.door.admits == "neighbours" and not is_near(scope):
                raise NotFound("Not found.")
            return Admission(window=await self._count_stranger(_zone(match, scope), scope))
        known = await self._identify(incoming, scope)
        route.door.check(known.identity.caller, scope["method"])
        admission = Admission(known, await self._count(route.zone, known.identity))
        if route.cost and scope["method"] == "POST":
            self._spend(admission, route.cost)
        return admission

    def give_back(self, admission: Admission) -> None:
        """Return what a request took from the allowance: it failed, and failures are free."""
        if admission.spent and admission.known is not None:
            tenant_id = admission.known.identity.caller.tenant_id
            self._allowances.give_back(tenant_id, admission.spent, now=time.time())

    async def _identify(self, incoming: Incoming, scope: Scope) -> Known:
        try:
            known = await self._remembered.of(incoming)
        except Unauthenticated as error:
            await self._count_stranger("api", scope)
            error.headers.update(_CHALLENGE)
            raise
        if known is None:
            await self._count_stranger("api", scope)
            raise Unauthenticated(_NOBODY, headers=_CHALLENGE)
        return known

    async def _count(self, zone: str | None, identity: Identity) -> Window | None:
        if zone is None:
            return None
        kind = identity.caller.kind
        if zone == "inference" and kind == "key":
            return await self._hit(f"inference:{identity.counted_as}", self._rates["inference"])
        return await self._hit(identity.counted_as, self._rates[kind])

    async def _count_stranger(self, zone: str | None, scope: Scope) -> Window | None:
        if zone is None:
            return None
        address = scope["client"][0] if scope.get("client") else "unknown"
        kind = "login" if zone == "login" else "anonymous"
        return await self._hit(f"{kind}:{address}", self._rates[kind])

    async def _hit(self, name: str, rate: Rate | None) -> Window | None:
        if rate is None:
            return None
        window = await self._windows.hit(name, rate)
        if window is not None and window.exceeded:
            wait = window.resets_in
            raise TooManyRequests(
                f"Request was throttled. Expected available in {wait} seconds.",
                headers={"Retry-After": str(wait), **window.headers()},
            )
        return window

    def _spend(self, admission: Admission, cost: int) -> None:
        assert admission.known is not None  # noqa: S101 - metered routes have no public door
        tenant_id = admission.known.identity.caller.tenant_id
        if not self._allowances.spend(tenant_id, cost, now=time.time()):
            raise PaymentRequired("The overage cap of this billing cycle is reached.")
        admission.spent = cost


def _zone(match: Match, scope: Scope) -> str | None:
    """Return what counts a request; a token that is exchanged for a fresh one is no log-in."""
    if match.route.zone == "login":
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        if scope["method"] != "POST" or query.get("grant_type") == "refresh_token":
            return "api"
    return match.route.zone
