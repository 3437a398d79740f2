"""Stripe, through its own SDK: hosted checkout and portal."""

import asyncio
from collections.abc import Callable
from typing import Any

import stripe

from billing.domain.plans import CURRENCY, Interval, Plan
from billing.payments.provider import Customer, PaymentsUnavailable
from chassis.problems import Conflict

_RECURRING = {"monthly": "month", "annual": "year"}


class Stripe:
    """Sends people to Stripe's pages."""

    def __init__(self, key: str, *, url: str | None = None) -> None:
        """Use a secret key; `url` is another address than Stripe's own (a mock server)."""
        self._client = stripe.StripeClient(
            key, base_addresses={"api": url} if url else {}, max_network_retries=1
        )

    async def checkout(self, customer: Customer, plan: Plan, *, interval: Interval) -> str:
        """Return the address of Stripe's checkout."""
        params = _checkout(customer, plan, interval=interval)
        return await _address(lambda: self._client.v1.checkout.sessions.create(params))

    async def portal(self, customer: Customer) -> str:
        """Return the address of Stripe's portal."""
        if customer.reference is None:
            raise Conflict("Nothing has been bought yet; begin with the checkout.")
        params: Any = {"customer": customer.reference, "return_url": customer.base}
        return await _address(lambda: self._client.v1.billing_portal.sessions.create(params))


def _checkout(customer: Customer, plan: Plan, *, interval: Interval) -> Any:
    said = {"tenant_id": customer.tenant_id, "plan_id": plan.id, "interval": interval}
    price = plan.monthly_price if interval == "monthly" else plan.annual_price
    params: dict[str, Any] = {
        "mode": "subscription",
        "client_reference_id": customer.tenant_id,
        "metadata": said,
        "subscription_data": {"metadata": said},
        "success_url": f"{customer.base}/?checkout=done",
        "cancel_url": f"{customer.base}/?checkout=cancelled",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": CURRENCY.lower(),
                    "unit_amount": price * 100,
                    "recurring": {"interval": _RECURRING[interval]},
                    "product_data": {"name": f"Millrace {plan.name}"},
                },
            }
        ],
    }
    if customer.reference is not None:
        params["customer"] = customer.reference
    return params


async def _address(make: Callable[[], Any]) -> str:
    try:
        made = await asyncio.to_thread(make)  # the SDK blocks
    except stripe.StripeError as error:
        raise PaymentsUnavailable("The payment provider did not answer.") from error
    return str(made.url)
