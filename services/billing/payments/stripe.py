"""Stripe, through its own SDK: hosted checkout and portal, and what its webhooks say."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import stripe

from billing.domain.plans import CURRENCY, Interval, Plan, plan_of
from billing.payments.provider import Customer, PaymentsUnavailable
from chassis.problems import Conflict, Malformed

_RECURRING = {"monthly": "month", "annual": "year"}


@dataclass(frozen=True, slots=True)
class Bought:
    """A checkout was paid."""

    event_id: str
    tenant_id: str
    plan: Plan
    interval: Interval
    customer: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A customer's subscription is over."""

    event_id: str
    customer: str


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


def notice_of(payload: bytes, signature: str | None, *, secret: str) -> Bought | Ended | None:
    """Return what a webhook says, or None where it does not concern us.

    Raises:
        Malformed: it is not signed by Stripe, too old, or cannot be read.
    """
    try:
        event = stripe.Webhook.construct_event(payload, signature or "", secret).to_dict()
        subject = event["data"]["object"]
        if event["type"] == "checkout.session.completed":
            return _bought(event["id"], subject)
        if event["type"] == "customer.subscription.deleted":
            return Ended(event["id"], str(subject["customer"]))
    except (stripe.SignatureVerificationError, ValueError, LookupError, TypeError) as error:
        raise Malformed("The webhook is not signed or cannot be read.") from error
    return None


def _bought(event_id: str, session: dict[str, Any]) -> Bought | None:
    said = session.get("metadata") or {}
    plan = plan_of(said.get("plan_id", ""))
    if plan is None or "tenant_id" not in said:
        return None
    return Bought(
        event_id=event_id,
        tenant_id=said["tenant_id"],
        plan=plan,
        interval="annual" if said.get("interval") == "annual" else "monthly",
        customer=session.get("customer"),
    )


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
