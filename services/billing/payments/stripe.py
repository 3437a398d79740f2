"""Stripe, through its own SDK: checkout, portal, subscriptions and overage."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import stripe

from billing.domain.charges import Charge
from billing.domain.plans import CURRENCY, Interval, Plan
from billing.payments.notices import subscribed
from billing.payments.provider import (
    Account,
    AlreadySubscribed,
    Customer,
    PaymentsUnavailable,
    Subscribed,
    Visit,
)
from chassis.problems import Conflict

_RECURRING = {"monthly": "month", "annual": "year"}
#: Statuses of a subscription that nobody is charged for, now or later.
_OVER = frozenset({"canceled", "incomplete", "incomplete_expired"})
#: Seconds within which Stripe answers a call, below the patience of who waits for ours.
_TIMEOUT = 8.0
#: What names a charge at Stripe, in the metadata of what it became.
_MARK = "millrace_charge"

Answer = TypeVar("Answer")


class Stripe:
    """Sends people to Stripe's pages, asks how they decided, and hands over what they owe."""

    def __init__(self, key: str, *, url: str | None = None) -> None:
        """Use a secret key; `url` is another address than Stripe's own (a mock server)."""
        self._client = stripe.StripeClient(
            key,
            base_addresses={"api": url} if url else {},
            max_network_retries=1,
            http_client=stripe.RequestsClient(timeout=_TIMEOUT),
        )

    async def checkout(self, customer: Customer, plan: Plan, *, interval: Interval) -> Visit:
        """Return a new visit to Stripe's checkout."""
        params = _checkout(customer, plan, interval=interval)

        def make() -> Visit:
            # Its notices may not be here yet.
            if customer.reference and self._live(customer.reference, customer.tenant_id):
                raise AlreadySubscribed
            made = self._client.v1.checkout.sessions.create(params)
            return Visit(str(made.url), made.id)

        return await _asked(make)

    async def leave(self, visit: str) -> bool:
        """End a visit; return whether somebody has bought there what is charged for still."""
        return await _asked(lambda: self._expired(visit) is not None)

    async def portal(self, customer: Customer) -> str:
        """Return the address of Stripe's portal."""
        if customer.reference is None:
            raise Conflict("Nothing has been bought yet; begin with the checkout.")
        params: Any = {"customer": customer.reference, "return_url": customer.base}
        made = await _asked(lambda: self._client.v1.billing_portal.sessions.create(params))
        return str(made.url)

    async def look(self, key: str) -> Subscribed | None:
        """Return how a subscription stands at this moment."""

        def retrieve() -> Subscribed | None:
            try:
                return subscribed(self._client.v1.subscriptions.retrieve(key).to_dict())
            except stripe.InvalidRequestError as error:
                if error.http_status == 404:
                    return None
                raise

        try:
            return await _asked(retrieve)
        except ValueError as error:
            raise PaymentsUnavailable("The payment provider gave no answer to read.") from error

    async def end(self, account: Account) -> int:
        """Cancel all subscriptions of a tenant, and expire its visit to the checkout."""
        return await _asked(lambda: self._end(account))

    def _end(self, account: Account) -> int:
        live = set(account.subscriptions)
        if account.visit is not None and (bought := self._expired(account.visit)) is not None:
            live.add(bought)
        for customer in account.customers:
            # There may be some whose notices never came.
            live |= {each.id for each in self._live(customer, account.tenant_id)}
        return sum(self._cancel(key) for key in sorted(live))

    def _cancel(self, key: str) -> bool:
        try:
            self._client.v1.subscriptions.cancel(key, {"invoice_now": True, "prorate": False})
        except stripe.InvalidRequestError as error:
            if error.http_status != 404:
                raise
            return False  # it is over, or of another account
        return True

    def _expired(self, visit: str) -> str | None:
        """Expire a visit; return the subscription that was bought there, if one was."""
        try:
            self._client.v1.checkout.sessions.expire(visit)
        except stripe.InvalidRequestError:
            return self._bought_at(visit)  # it is over, one way or the other
        return None

    async def charge(self, charge: Charge) -> str:
        """Make an invoice item of a charge, and an invoice where no subscription takes it in.

        Each has an idempotency key. Stripe forgets those after a day or more, so whoever tries
        again first looks for what the earlier tries have made.
        """
        return await _asked(lambda: self._charge(charge))

    def _charge(self, charge: Charge) -> str:
        name = f"{charge.tenant_id}:{charge.number}"
        item = (charge.tries and self._item(charge, name)) or self._client.v1.invoice_items.create(
            _item(charge, name), {"idempotency_key": f"millrace-item-{name}-{charge.subscription}"}
        )
        if charge.subscription is None and not item.to_dict().get("invoice"):
            invoice = self._client.v1.invoices.create(
                _invoice(charge, name), {"idempotency_key": f"millrace-invoice-{name}"}
            )
            return f"{item.id} {invoice.id}"
        return str(item.id)

    def _item(self, charge: Charge, name: str) -> Any:
        since = int(charge.created_at.timestamp()) - 3600
        params: Any = {"customer": charge.customer, "limit": 100, "created": {"gte": since}}
        found = self._client.v1.invoice_items.list(params).auto_paging_iter()
        return next((each for each in found if _metadata(each).get(_MARK) == name), None)

    def _live(self, customer: str, tenant_id: str) -> list[Any]:
        """Return the subscriptions of a customer that are charged for still, on a tenant's behalf:
        one customer may pay for several.
        """
        params: Any = {"customer": customer, "status": "all", "limit": 100}
        try:
            found = list(self._client.v1.subscriptions.list(params).auto_paging_iter())
        except stripe.InvalidRequestError:
            return []  # of another account or mode: Stripe knows no such customer
        return [
            each
            for each in found
            if each.status not in _OVER and _metadata(each).get("tenant_id") == tenant_id
        ]

    def _bought_at(self, visit: str) -> str | None:
        """Return the subscription that was bought at a visit and is charged for still."""
        try:
            made = self._client.v1.checkout.sessions.retrieve(visit).to_dict()
            key = made.get("subscription")
            if made.get("status") != "complete" or not isinstance(key, str):
                return None
            return key if self._client.v1.subscriptions.retrieve(key).status not in _OVER else None
        except stripe.InvalidRequestError:
            return None  # of another account or mode, as after a key was replaced


def _metadata(found: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = found.to_dict().get("metadata") or {}
    return metadata


def _item(charge: Charge, name: str) -> Any:
    params: dict[str, Any] = {
        "customer": charge.customer,
        "amount": charge.cents,
        "currency": CURRENCY.lower(),
        "description": charge.description,
        "metadata": {_MARK: name, "tenant_id": charge.tenant_id},
    }
    if charge.subscription is not None:
        params["subscription"] = charge.subscription
    return params


def _invoice(charge: Charge, name: str) -> Any:
    return {
        "customer": charge.customer,
        "auto_advance": True,
        "pending_invoice_items_behavior": "include",
        "metadata": {_MARK: name, "tenant_id": charge.tenant_id},
    }


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


async def _asked(ask: Callable[[], Answer]) -> Answer:
    try:
        return await asyncio.to_thread(ask)  # the SDK blocks
    except stripe.StripeError as error:
        raise PaymentsUnavailable("The payment provider did not answer.") from error
