"""What billing needs of a payment provider."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from billing.domain.charges import Charge
from billing.domain.plans import Interval, Plan
from billing.domain.purchases import Terms
from chassis.problems import Conflict, Unavailable


@dataclass(frozen=True, slots=True)
class Customer:
    """Who pays, and where the browser goes afterwards."""

    tenant_id: str
    #: The provider's own id of the tenant, once it has one.
    reference: str | None
    #: Scheme and host under which the client reached us.
    base: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit to a checkout: its address, and the provider's own id of it, where it has one."""

    url: str
    reference: str | None = None


class AlreadySubscribed(Conflict):
    """The tenant has a live subscription: a second one would be charged beside it."""

    code = "ALREADY_SUBSCRIBED"

    def __init__(self) -> None:
        """Say where the plan is changed instead."""
        super().__init__(
            "There is a subscription already. Change or end it on the page that "
            "POST /api/billing/portal answers."
        )


class PaymentsUnavailable(Unavailable):
    """No payment provider can be reached, or none is configured."""

    code = "BILLING_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Account:
    """All that a tenant has at the provider, as far as we know of it."""

    tenant_id: str
    #: The provider's own ids of its subscriptions, and of the customers who pay for them.
    subscriptions: Sequence[str]
    customers: Sequence[str]
    #: The newest visit to the checkout.
    visit: str | None


@dataclass(frozen=True, slots=True)
class Subscribed:
    """How a subscription stands, by the provider's own word."""

    customer: str
    status: str | None
    tenant: str | None
    terms: Terms | None
    cancels: bool


class Provider(Protocol):
    """Answers with addresses that a browser opens."""

    async def checkout(self, customer: Customer, plan: Plan, *, interval: Interval) -> Visit:
        """Return a new visit to the page where the customer pays for a plan; the one before is
        over.

        Raises:
            PaymentsUnavailable: the provider is away.
            AlreadySubscribed: the customer has a live subscription at the provider.
        """
        ...

    async def leave(self, visit: str) -> bool:
        """End a visit; return whether a live subscription was bought there before it could end.

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


class Collector(Protocol):
    """What a provider can do that also takes money by itself."""

    async def look(self, key: str) -> Subscribed | None:
        """Return how a subscription stands at this moment; None where there is none.

        Raises:
            PaymentsUnavailable: the provider is away.
        """
        ...

    async def end(self, account: Account) -> int:
        """End at once all that a tenant pays for, and its visit to the checkout; return how many
        subscriptions that were. What waits for their next bill is billed now; nothing is paid back.

        Raises:
            PaymentsUnavailable: the provider is away; some of it may have ended.
        """
        ...

    async def charge(self, charge: Charge) -> str:
        """Have the provider ask for a charge, once however often this is called; return what it
        became.

        Raises:
            PaymentsUnavailable: the provider is away, or refuses.
        """
        ...
