"""The built-in test provider: its pages are ours, take no money and really change the plan."""

from collections.abc import Awaitable, Callable
from typing import Literal

from billing.domain.plans import Interval, Plan
from billing.payments.provider import Customer, Visit

#: Notes an errand and returns the secret of its address.
Note = Callable[[str, Literal["checkout", "portal"], Plan | None, Interval], Awaitable[str]]

PATH = "/api/billing/test"


class Sandbox:
    """Sends people to the test pages."""

    def __init__(self, note: Note) -> None:
        """Note errands where the pages find them."""
        self._note = note

    async def checkout(self, customer: Customer, plan: Plan, *, interval: Interval) -> Visit:
        """Return a visit to a test checkout; it changes the plan and makes no second one."""
        secret = await self._note(customer.tenant_id, "checkout", plan, interval)
        return Visit(f"{customer.base}{PATH}/checkout/{secret}")

    async def leave(self, visit: str) -> bool:
        """No visit of the test provider needs to end: the plan changes in place."""
        return False

    async def portal(self, customer: Customer) -> str:
        """Return the address of a test portal."""
        secret = await self._note(customer.tenant_id, "portal", None, "monthly")
        return f"{customer.base}{PATH}/portal/{secret}"
