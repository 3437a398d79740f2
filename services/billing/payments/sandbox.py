"""The built-in test provider: its pages are ours, take no money and really change the plan."""

from collections.abc import Awaitable, Callable
from typing import Literal

from billing.domain.plans import Interval, Plan
from billing.payments.provider import Customer

#: Notes an errand and returns the secret of its address.
Note = Callable[[str, Literal["checkout", "portal"], Plan | None, Interval], Awaitable[str]]

PATH = "/api/billing/test"


class Sandbox:
    """Sends people to the test pages."""

    def __init__(self, note: Note) -> None:
        """Note errands where the pages find them."""
        self._note = note

    async def checkout(self, customer: Customer, plan: Plan, *, interval: Interval) -> str:
        """Return the address of a test checkout."""
        secret = await self._note(customer.tenant_id, "checkout", plan, interval)
        return f"{customer.base}{PATH}/checkout/{secret}"

    async def portal(self, customer: Customer) -> str:
        """Return the address of a test portal."""
        secret = await self._note(customer.tenant_id, "portal", None, "monthly")
        return f"{customer.base}{PATH}/portal/{secret}"
