"""No provider: what production has until a key is set."""

from billing.domain.plans import Interval, Plan
from billing.payments.provider import Customer, PaymentsUnavailable, Visit


class Nobody:
    """Refuses, saying what is missing."""

    async def checkout(self, customer: Customer, plan: Plan, *, interval: Interval) -> Visit:
        """Refuse."""
        raise PaymentsUnavailable("No payment provider is configured.")

    async def leave(self, visit: str) -> bool:
        """Nobody visits."""
        return False

    async def portal(self, customer: Customer) -> str:
        """Refuse."""
        raise PaymentsUnavailable("No payment provider is configured.")
