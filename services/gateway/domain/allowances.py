"""How much a tenant may still use, estimated between what billing says from time to time."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

#: Billing has counted what was used this many seconds ago; its word replaces our estimate of it.
_COUNTED_AFTER = 10.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What billing said last of a tenant, in hundredths of a unit."""

    used: int
    allowed: int | None
    cycle_ends_at: datetime
    stated_at: datetime
    revision: int


@dataclass(slots=True)
class _Account:
    allowance: Allowance
    #: What was used here and when, in epoch seconds: only what billing cannot have counted yet.
    recent: deque[tuple[float, int]] = field(default_factory=deque)
    recent_sum: int = 0


class Allowances:
    """The accounts of all tenants, in memory."""

    def __init__(self) -> None:
        """Know nobody: a tenant that billing has not spoken of may use the platform."""
        self._accounts: dict[str, _Account] = {}

    def state(self, tenant_id: str, allowance: Allowance) -> None:
        """Take billing's word; an older one changes nothing."""
        account = self._accounts.get(tenant_id)
        if account is None:
            self._accounts[tenant_id] = _Account(allowance)
            return
        if allowance.revision < account.allowance.revision:
            return
        account.allowance = allowance
        self._drop(account, before=allowance.stated_at.timestamp())

    def spend(self, tenant_id: str, cost: int, *, now: float) -> bool:
        """Take a request's cost from the account; false, and nothing taken, where it is spent."""
        account = self._accounts.get(tenant_id)
        if account is None or account.allowance.allowed is None:
            return True
        if account.recent and account.recent[-1][0] > now:
            # The clock was set back: what was used is as recent as it can be.
            account.recent = deque([(now, account.recent_sum)])
        self._drop(account, before=now - _COUNTED_AFTER)
        allowance = account.allowance
        in_cycle = now < allowance.cycle_ends_at.timestamp()
        if in_cycle and allowance.used + account.recent_sum >= (allowance.allowed or 0):
            return False
        account.recent.append((now, cost))
        account.recent_sum += cost
        return True

    def give_back(self, tenant_id: str, cost: int, *, now: float) -> None:
        """Return the cost of a request that failed: failures are free."""
        account = self._accounts.get(tenant_id)
        if account is not None and account.recent:
            account.recent.append((now, -cost))
            account.recent_sum -= cost

    @staticmethod
    def _drop(account: _Account, *, before: float) -> None:
        while account.recent and account.recent[0][0] < before:
            account.recent_sum -= account.recent.popleft()[1]
