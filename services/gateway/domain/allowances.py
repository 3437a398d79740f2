"""How much a tenant may still use: what billing said last, less what it cannot have counted yet."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

#: Seconds for which a use that billing does not count is held against the tenant: a bound for what
#: is never counted, not for how late billing may be.
_HELD = 600.0
#: The same for a request of which nobody knows what became of it. It may have come to nothing.
_DOUBTED = 10.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What billing said last of a tenant, in hundredths of a unit."""

    used: int
    allowed: int | None
    cycle_ends_at: datetime
    revision: int


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
    """What was used within one second and is not counted yet."""

    until: float
    units: int


@dataclass(slots=True)
class _Account:
    allowance: Allowance
    #: Requests under way, the oldest first.
    under_way: dict[Reservation, None] = field(default_factory=dict)
    held: deque[_Held] = field(default_factory=deque)
    doubted: deque[_Held] = field(default_factory=deque)

    @property
    def left(self) -> int | None:
        """Return what is left, or None where nothing bounds it."""
        if self.allowance.allowed is None:
            return None
        pending = sum(each.pending for each in self.under_way)
        pending += sum(each.units for each in self.held) + sum(each.units for each in self.doubted)
        return self.allowance.allowed - self.allowance.used - pending

    def hold(self, units: int, *, until: float, doubted: bool) -> None:
        """Hold units against the tenant until billing counts them, but not for ever."""
        queue = self.doubted if doubted else self.held
        if queue and until - queue[-1].until < 1:
            queue[-1].units += units
        else:
            queue.append(_Held(until, units))

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

    def forget(self, *, now: float) -> None:
        """Hold no longer what nobody will count any more."""
        for queue in (self.held, self.doubted):
            while queue and queue[0].until <= now:
                queue.popleft()


class Allowances:
    """The accounts of all tenants, in memory."""

    def __init__(self, *, timer: Callable[[], float] = time.monotonic) -> None:
        """Know nobody: a tenant that billing has not spoken of may use the platform.

        `timer` counts seconds, whatever is done to the clock.
        """
        self._accounts: dict[str, _Account] = {}
        self._timer = timer

    def state(self, tenant_id: str, allowance: Allowance) -> None:
        """Take billing's word; an older one changes nothing."""
        account = self._accounts.get(tenant_id)
        if account is None:
            self._accounts[tenant_id] = _Account(allowance)
            return
        before = account.allowance
        if allowance.revision < before.revision:
            return
        account.allowance = allowance
        if allowance.cycle_ends_at == before.cycle_ends_at:
            account.count(allowance.used - before.used)
        else:
            account.held.clear()
            account.doubted.clear()
            account.count(allowance.used)

    def left(self, tenant_id: str) -> int | None:
        """Return the hundredths of a unit that a tenant may still use; None: no bound is known."""
        account = self._accounts.get(tenant_id)
        return None if account is None else account.left

    def reserve(self, tenant_id: str, units: int, *, now: float) -> Reservation | None:
        """Take what a request may use before it is passed on, or None: it does not fit.

        `now` is the time of day in epoch seconds; a cycle that is over bounds nothing.
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
        self._end(reservation, within=_HELD)

    def doubt(self, reservation: Reservation) -> None:
        """End a request of which nobody knows whether it is billed."""
        self._end(reservation, within=_DOUBTED)

    def release(self, reservation: Reservation) -> None:
        """End a request that came to nothing: failures are free."""
        reservation.units = 0
        self._end(reservation, within=0)

    def _fits(self, account: _Account, reservation: Reservation, units: int, now: float) -> bool:
        if now >= account.allowance.cycle_ends_at.timestamp():
            return True
        account.forget(now=self._timer())
        left = account.left
        before = reservation.pending if reservation in account.under_way else 0
        return left is None or units - reservation.counted - before <= left

    def _end(self, reservation: Reservation, *, within: float) -> None:
        account = self._accounts.get(reservation.tenant_id)
        if account is None:
            return
        account.under_way.pop(reservation, None)
        if account.allowance.allowed is not None and reservation.pending:
            account.hold(
                reservation.pending, until=self._timer() + within, doubted=within == _DOUBTED
            )
