"""What billing needs of a payment provider."""

from dataclasses import dataclass
from typing import Protocol

from billing.domain.plans import Interval, Plan
from chassis.problems import Unavailable


@dataclass(frozen=True, slots=True)
class Customer:
    """Who pays, and where the browser goes afterwards."""

    tenant_id: str
    #: The provider's own id of the tenant, once it has one.
    reference: str | None
    #: Scheme and host under which the client reached us.
    base: str


class PaymentsUnavailable(Unavailable):
    """No payment provider can be reached, or none is configured."""

    code = "BILLING_UNAVAILABLE"


class Provider(Protocol):
    """Answers with addresses that a browser opens."""

    async def checkout(self, customer: Customer, plan: Plan, *, interval: Interval) -> str:
        """Return the address where the customer pays for a plan.

        Raises:
            PaymentsUnavailable: the provider is away.
        """
        ...

    async def portal(self, customer: Customer) -> str:
        """Return the address where the customer manages what it pays.

        Raises:
            PaymentsUnavailable: the provider is away.
        """
        ...
