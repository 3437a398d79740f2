"""Whether a request may pass: its credential, the route's door, the rate, the allowance."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.types import Scope

from chassis.problems import NotFound, PaymentRequired, TooManyRequests, Unauthenticated
from contracts.http import Cost
from gateway.domain.allowances import Allowances, Reservation
from gateway.domain.costs import rows_in
from gateway.domain.identities import Identity
from gateway.domain.networks import network_of
from gateway.domain.rates import Rate, Window
from gateway.domain.routing import Match
from gateway.domain.spent import SpentWindows
from gateway.domain.windows import Windows
from gateway.forwarding.incoming import Incoming
from gateway.forwarding.intake import Body
from gateway.forwarding.proxies import is_near
from gateway.forwarding.remembered import Known, Remembered

_NOBODY = "Authentication credentials were not provided."
_CHALLENGE = {"WWW-Authenticate": "X-API-Key"}
_CAP_REACHED = "The overage cap of this billing cycle is reached, or does not cover this request."
#: So many times what a large body can cost at most has to be left for it to pass uncounted.
_PLENTY = 100


@dataclass(slots=True)
class Admission:
    """A request that may pass."""

    known: Known | None = None
    window: Window | None = None
    #: What the request costs, and what is taken of the tenant's allowance until it is answered.
    cost: Cost | None = None
    reservation: Reservation | None = None


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
        """Count by `rates`: key, person, anonymous, inference, login and registration."""
        self._remembered = remembered
        self._windows = windows
        self._rates = rates
        self._allowances = allowances
        self._spent = SpentWindows()

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
        cost = route.cost_of(scope["method"])
        if cost is not None:
            self._reserve(admission, known.identity.caller.tenant_id, cost)
        return admission

    def charge(self, admission: Admission, body: Body) -> None:
        """Take what the rows of a body cost, now that it is here.

        Raises:
            PaymentRequired: they do not fit into what is left, and nothing is passed on.
        """
        cost, reservation = admission.cost, admission.reservation
        if cost is None or cost.rows is None or reservation is None:
            return
        left = self._allowances.left(reservation.tenant_id)
        if left is None:
            return
        # To read megabytes holds everybody up: where there is plenty, the most is taken unread.
        is_plenty = body.is_large and left > _PLENTY * cost.most * cost.centiunits
        rows = cost.most if is_plenty else rows_in(body.first, cost)
        if not self._allowances.resize(reservation, rows * cost.centiunits, now=time.time()):
            raise PaymentRequired(_CAP_REACHED)

    def close(self, admission: Admission, *, status: int, used: int | None, known: bool) -> None:
        """Settle what a request took of the allowance; `used` is what it was billed, where that was
        told, and `known` whether anybody knows what became of it.
        """
        reservation = admission.reservation
        if reservation is None:
            return
        if 200 <= status < 300:
            self._allowances.settle(reservation, used=used)
        elif known:
            self._allowances.release(reservation)
        else:
            self._allowances.doubt(reservation)

    async def _identify(self, incoming: Incoming, scope: Scope) -> Known:
        # Whose address has used up its window is not looked up: that costs more than the refusal.
        if not self._remembered.knows(incoming):
            self._refuse_spent("anonymous", scope)
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
        kind = zone if zone in {"login", "registration"} else "anonymous"
        return await self._hit(_by_network(kind, scope), self._rates[kind])

    def _refuse_spent(self, kind: str, scope: Scope) -> None:
        """Refuse whose window this process knows to be used up, without counting."""
        window = self._spent.of(_by_network(kind, scope))
        if window is not None:
            raise _throttled(window)

    async def _hit(self, name: str, rate: Rate | None) -> Window | None:
        if rate is None:
            return None
        window = await self._windows.hit(name, rate)
        if window is not None and window.exceeded:
            self._spent.note(name, window)
            raise _throttled(window)
        return window

    def _reserve(self, admission: Admission, tenant_id: str, cost: Cost) -> None:
        """Take the least that a request can cost: no body is read where not even that is left."""
        reservation = self._allowances.reserve(tenant_id, cost.centiunits, now=time.time())
        if reservation is None:
            raise PaymentRequired(_CAP_REACHED)
        admission.cost, admission.reservation = cost, reservation


def _by_network(kind: str, scope: Scope) -> str:
    """Return the name of the window in which strangers of a network are counted."""
    return f"{kind}:{network_of(scope['client'][0] if scope.get('client') else None)}"


def _throttled(window: Window) -> TooManyRequests:
    wait = window.resets_in
    return TooManyRequests(
        f"Request was throttled. Expected available in {wait} seconds.",
        headers={"Retry-After": str(wait), **window.headers()},
    )


def _zone(match: Match, scope: Scope) -> str | None:
    """Return what counts a request; a token that is exchanged for a fresh one is no log-in."""
    if match.route.zone == "registration" and scope["method"] != "POST":
        return "api"
    if match.route.zone == "login":
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        if scope["method"] != "POST" or query.get("grant_type") == "refresh_token":
            return "api"
    return match.route.zone
