"""How much a tenant may still use: what billing said last, less what it cannot have counted yet."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

#: Seconds by which billing has to have counted past a use that it did not count, before that is
#: held no longer against the tenant: facts of several topics are not counted in order.
_PASSED = 600.0
#: Seconds for which a request is held of which nobody knows what became of it, while billing
#: counts. It may have come to nothing.
_DOUBTED = 10.0
#: Seconds within which billing counts, and says so, when all is well.
_PROMPT = 30.0
#: When a cycle ends whose end billing has not told.
_NO_END = datetime(9999, 1, 1, tzinfo=UTC)
#: Most moments that are told apart; later ones are held as one.
_MOST = 64


@dataclass(frozen=True, slots=True)
class Allowance:
    """What billing said last of a tenant, in hundredths of a unit."""

    used: int
    allowed: int | None
    cycle_ends_at: datetime
    revision: int
    #: The latest moment at which anything was kept that billing has counted in this cycle.
    counted_until: datetime | None = None
    #: What may be used in the next cycle; absent: billing did not say.
    renewed: int | None = None


@dataclass(slots=True, eq=False)
class Reservation:
    """Hundredths of a unit that a request under way may come to use."""

    tenant_id: str
    units: int
    #: How many of them billing has counted already, before the answer was here.
    counted: int = 0

    @property
    def pending(self) -> int:
        """Return those that billing has not counted."""
        return max(0, self.units - self.counted)


@dataclass(slots=True)
class _Held:
    """What was used within one second or so and is not counted yet."""

    #: When the first of it was used, by the timer.
    since: float
    #: When the last of it was used, in epoch seconds.
    used_at: float
    units: int


@dataclass(slots=True)
class _Account:
    allowance: Allowance
    #: Requests under way, the oldest first.
    under_way: dict[Reservation, None] = field(default_factory=dict)
    held: deque[_Held] = field(default_factory=deque)
    doubted: deque[_Held] = field(default_factory=deque)
    #: The end of the cycle that was over before billing spoke of the next one.
    renewed_at: datetime | None = None

    @property
    def left(self) -> int | None:
        """Return what is left, or None where nothing bounds it."""
        if self.allowance.allowed is None:
            return None
        pending = sum(each.pending for each in self.under_way)
        pending += sum(each.units for each in self.held) + sum(each.units for each in self.doubted)
        return self.allowance.allowed - self.allowance.used - pending

    def hold(self, units: int, *, timer: float, now: float, doubted: bool) -> None:
        """Hold units against the tenant until billing has counted them."""
        queue = self.doubted if doubted else self.held
        if queue and (timer - queue[-1].since < 1 or len(queue) >= _MOST):
            queue[-1].units += units
            queue[-1].used_at = max(now, queue[-1].used_at)
        else:
            queue.append(_Held(timer, now, units))

    def count(self, units: int) -> None:
        """Take off what billing has counted: what was used first is what it counts first."""
        for queue in (self.held, self.doubted):
            while units and queue:
                taken = min(units, queue[0].units)
                queue[0].units -= taken
                units -= taken
                if not queue[0].units:
                    queue.popleft()
        for each in self.under_way:
            taken = min(units, each.pending)
            each.counted += taken
            units -= taken

    def behind(self, timer: float) -> float:
        """Return for how many seconds billing has not counted what was used first."""
        return timer - self.held[0].since if self.held else 0.0

    def forget_doubts(self, timer: float) -> None:
        """Hold no longer what nobody knows of, unless billing is late: it may count it yet."""
        if self.behind(timer) <= _PROMPT:
            while self.doubted and self.doubted[0].since + _DOUBTED <= timer:
                self.doubted.popleft()

    def pass_by(self, counted_until: datetime | None) -> None:
        """Hold no longer what billing has passed by without counting it."""
        if counted_until is None:
            return
        for queue in (self.held, self.doubted):
            while queue and queue[0].used_at + _PASSED <= counted_until.timestamp():
                queue.popleft()

    def renew(self, renewed: int) -> None:
        """Begin the next cycle, of which billing has not spoken yet."""
        self.held.clear()
        self.doubted.clear()
        self.renewed_at = self.allowance.cycle_ends_at
        self.allowance = replace(
            self.allowance, used=0, allowed=renewed, cycle_ends_at=_NO_END, counted_until=None
        )

    def state(self, allowance: Allowance) -> None:
        """Take billing's newest word."""
        before, renewed_at = self.allowance, self.renewed_at
        if renewed_at is not None and allowance.cycle_ends_at <= renewed_at:
            # Of the cycle that is over; what it says of the next one counts.
            allowed = before.allowed if allowance.renewed is None else allowance.renewed
            self.allowance = replace(before, allowed=allowed, revision=allowance.revision)
            return
        self.allowance, self.renewed_at = allowance, None
        if renewed_at is not None:
            self.count(allowance.used)
        elif allowance.cycle_ends_at == before.cycle_ends_at:
            self.count(allowance.used - before.used)
        else:
            self.held.clear()
            self.doubted.clear()
            self.count(allowance.used)
        self.pass_by(allowance.counted_until)


class Allowances:
    """The accounts of all tenants, in memory."""

    def __init__(
        self,
        *,
        timer: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Know nobody: a tenant that billing has not spoken of may use the platform.

        `timer` counts seconds, whatever is done to the clock; `clock` tells the epoch second.
        """
        self._accounts: dict[str, _Account] = {}
        self._timer, self._clock = timer, clock

    def state(self, tenant_id: str, allowance: Allowance) -> None:
        """Take billing's word; an older one changes nothing."""
        account = self._accounts.get(tenant_id)
        if account is None:
            self._accounts[tenant_id] = _Account(allowance)
            return
        if allowance.revision >= account.allowance.revision:
            account.state(allowance)

    def forget(self, tenant_id: str) -> None:
        """Forget a tenant that was deleted."""
        self._accounts.pop(tenant_id, None)

    def behind(self) -> float:
        """Return the longest time for which billing has not counted what some tenant used, in
        seconds.
        """
        timer = self._timer()
        return max((each.behind(timer) for each in self._accounts.values()), default=0.0)

    def left(self, tenant_id: str) -> int | None:
        """Return the hundredths of a unit that a tenant may still use; None: no bound is known."""
        account = self._accounts.get(tenant_id)
        return None if account is None else account.left

    def reserve(self, tenant_id: str, units: int, *, now: float) -> Reservation | None:
        """Take what a request may use before it is passed on, or None: it does not fit.

        `now` is the time of day in epoch seconds. Once a cycle is over, what billing said of the
        next one bounds what is used; where it said nothing, nothing does.
        """
        reservation = Reservation(tenant_id, 0)
        return reservation if self.resize(reservation, units, now=now) else None

    def resize(self, reservation: Reservation, units: int, *, now: float) -> bool:
        """Take other units for a request; false, and nothing changed, where they do not fit."""
        account = self._accounts.get(reservation.tenant_id)
        if account is not None and not self._fits(account, reservation, units, now):
            return False
        reservation.units = units
        if account is not None:
            account.under_way[reservation] = None
        return True

    def settle(self, reservation: Reservation, *, used: int | None) -> None:
        """End a request that was answered well; `used` is what it was billed, where we know."""
        if used is not None:
            reservation.units = used
        self._end(reservation)

    def doubt(self, reservation: Reservation) -> None:
        """End a request of which nobody knows whether it is billed."""
        self._end(reservation, doubted=True)

    def release(self, reservation: Reservation) -> None:
        """End a request that came to nothing: failures are free."""
        reservation.units = 0
        self._end(reservation)

    def _fits(self, account: _Account, reservation: Reservation, units: int, now: float) -> bool:
        if now >= account.allowance.cycle_ends_at.timestamp():
            renewed = account.allowance.renewed
            if renewed is None:
                return True
            account.renew(renewed)
        account.forget_doubts(self._timer())
        left = account.left
        before = reservation.pending if reservation in account.under_way else 0
        return left is None or units - reservation.counted - before <= left

    def _end(self, reservation: Reservation, *, doubted: bool = False) -> None:
        account = self._accounts.get(reservation.tenant_id)
        if account is None:
            return
        account.under_way.pop(reservation, None)
        if account.allowance.allowed is not None and reservation.pending:
            account.hold(
                reservation.pending, timer=self._timer(), now=self._clock(), doubted=doubted
            )
