"""Charges: the overage of a cycle, on its way to the payment provider."""

from dataclasses import dataclass
from datetime import datetime, timedelta

_LONGEST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Charge:
    """What one invoice asks for beyond the plan. The amount is in cents."""

    tenant_id: str
    #: Number of the invoice: one charge each.
    number: str
    cents: int
    description: str
    created_at: datetime
    #: Who pays, by the provider's own id; absent while the tenant has bought nothing.
    customer: str | None
    #: The subscription whose next bill takes the charge in; absent: it gets a bill of its own.
    subscription: str | None
    #: How often it was tried before.
    tries: int


def pause_after(tries: int) -> timedelta:
    """Return how long to wait until the next try: twice as long each time, an hour at most."""
    return min(timedelta(seconds=2 ** min(tries, 12)), _LONGEST)
