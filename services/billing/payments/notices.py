"""What Stripe's webhooks say: checked by their signature, read strictly, in our own words."""

from typing import Annotated, Any

import stripe
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from billing.domain.plans import PLANS, Interval
from billing.domain.purchases import STATUSES, Notice, Stamp, Terms
from billing.payments.provider import Subscribed
from chassis.problems import Malformed

#: Seconds for which a signature is good.
_TOLERANCE = stripe.Webhook.DEFAULT_TOLERANCE
_UNREADABLE = "The webhook is not signed or cannot be read."
#: What happens to one subscription within one second, in the order in which it can happen.
_RANKS = {
    "customer.subscription.created": 0,
    "checkout.session.completed": 1,
    "checkout.session.async_payment_succeeded": 2,
    "customer.subscription.updated": 3,
    "customer.subscription.deleted": 4,
}
#: What says that a subscription stands otherwise than before, and not how.
_HINTS = frozenset({"invoice.paid", "invoice.payment_failed"})
_UNPAID = "unpaid"
_INTERVALS: dict[str, Interval] = {"month": "monthly", "year": "annual"}

Id = Annotated[str, StringConstraints(strict=True, pattern=r"^[\x21-\x7e]{1,255}$")]
#: Metadata is what somebody typed into Stripe: any text that a database can hold.
Text = Annotated[str, StringConstraints(strict=True, max_length=500, pattern=r"^[^\x00]*$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Data(_Model):
    object: dict[str, Any]


class _Envelope(_Model):
    id: Id
    type: Id
    #: Seconds since 1970, until the end of the year 9999.
    created: Annotated[int, Field(strict=True, ge=0, le=253_402_300_799)] | None = None
    data: _Data


class _Session(_Model):
    """A visit to Stripe's checkout."""

    customer: Id | None = None
    subscription: Id | None = None
    client_reference_id: Text | None = None
    payment_status: Id | None = None
    metadata: dict[str, Text] | None = None


class _Recurring(_Model):
    interval: Id


class _Price(_Model):
    unit_amount: Annotated[int, Field(strict=True)] | None = None
    recurring: _Recurring | None = None
    lookup_key: Text | None = None
    metadata: dict[str, Text] | None = None


class _Item(_Model):
    price: _Price | None = None


class _Items(_Model):
    data: list[_Item] = Field(default_factory=list)


class _Subscription(_Model):
    id: Id | None = None
    customer: Id
    status: Id | None = None
    metadata: dict[str, Text] | None = None
    items: _Items | None = None
    cancel_at_period_end: Annotated[bool, Field(strict=True)] | None = None
    cancel_at: Annotated[int, Field(strict=True)] | None = None

    @property
    def cancels(self) -> bool | None:
        """Tell whether it is to end by itself; None where that is not said."""
        if self.cancel_at_period_end is None and self.cancel_at is None:
            return None
        return bool(self.cancel_at_period_end) or self.cancel_at is not None


class _Details(_Model):
    subscription: Id | None = None


class _Parent(_Model):
    subscription_details: _Details | None = None


class _Invoice(_Model):
    """A bill of Stripe's; where it names its subscription depends on the version of their API."""

    subscription: Id | None = None
    parent: _Parent | None = None

    @property
    def key(self) -> str | None:
        """Return the subscription that it asks money for."""
        details = self.parent.subscription_details if self.parent else None
        return self.subscription or (details.subscription if details else None)


_ENVELOPE = TypeAdapter(_Envelope)


def notice_of(payload: bytes, signature: str | None, *, secret: str) -> Notice | None:
    """Return what a webhook says, or None where it does not concern us.

    Raises:
        Malformed: it is not signed by Stripe, too old, or cannot be read.
    """
    sent_at = _verified(payload, signature, secret)
    try:
        event = _ENVELOPE.validate_json(payload)
        if event.type not in _RANKS and event.type not in _HINTS:
            return None
        created = sent_at if event.created is None else event.created
        stamp = Stamp(created, _RANKS.get(event.type, 0), event.id)
        if event.type in _HINTS:
            key = _Invoice.model_validate(event.data.object).key
            return Notice(key, stamp) if key else None
        if event.type.startswith("checkout."):
            return _bought(_Session.model_validate(event.data.object), stamp)
        subscription = _Subscription.model_validate(event.data.object)
        return _changed(subscription, stamp, ended=event.type.endswith(".deleted"))
    except ValidationError as error:
        raise Malformed(_UNREADABLE) from error


def _verified(payload: bytes, signature: str | None, secret: str) -> int:
    """Return when Stripe signed the payload, in seconds since 1970."""
    header = signature or ""
    try:
        stripe.WebhookSignature.verify_header(payload, header, secret, _TOLERANCE)
    except (stripe.SignatureVerificationError, ValueError, TypeError) as error:
        raise Malformed(_UNREADABLE) from error
    return next(int(part[2:]) for part in header.split(",") if part.startswith("t="))


def _bought(session: _Session, stamp: Stamp) -> Notice | None:
    said = session.metadata or {}
    if session.payment_status == _UNPAID or not said.keys() & {"tenant_id", "plan_id"}:
        # A debit that takes days is told of again once it has succeeded; other purchases of the
        # same account are not ours.
        return None
    key = session.subscription or _key_of(session.customer) or stamp.event_id
    tenant = said.get("tenant_id") or session.client_reference_id or ""
    return Notice(key, stamp, session.customer, tenant, _terms_in(said), paid=True)


def _changed(subscription: _Subscription, stamp: Stamp, *, ended: bool) -> Notice:
    said = subscription.metadata or {}
    return Notice(
        key=subscription.id or f"customer:{subscription.customer}",
        stamp=stamp,
        customer=subscription.customer,
        tenant=said.get("tenant_id"),
        terms=None if ended else _terms_of(subscription),
        # A status that Stripe may invent changes nothing.
        status=subscription.status if subscription.status in STATUSES else None,
        ended=ended,
        cancels=None if ended else subscription.cancels,
    )


def subscribed(answer: Any) -> Subscribed:
    """Return how a subscription stands, of which Stripe was asked.

    Raises:
        ValueError: the answer cannot be read.
    """
    found = _Subscription.model_validate(answer)
    return Subscribed(
        customer=found.customer,
        status=found.status if found.status in STATUSES else None,
        tenant=(found.metadata or {}).get("tenant_id"),
        terms=_terms_of(found),
        cancels=bool(found.cancels),
    )


def _key_of(customer: str | None) -> str | None:
    return None if customer is None else f"customer:{customer}"


def _terms_of(subscription: _Subscription) -> Terms | None:
    """Return what a subscription is for: its price says so, else what we wrote at the checkout.

    What was written there stays when the plan is changed in Stripe's portal; the price does not.
    """
    items = subscription.items.data if subscription.items else []
    for price in (item.price for item in items if item.price is not None):
        found = _priced(price)
        if found is not None:
            return found
    said = subscription.metadata or {}
    return _terms_in(said) if "plan_id" in said else None


def _priced(price: _Price) -> Terms | None:
    """Return the terms that a price is known for: by its name, or by what it costs."""
    interval = _INTERVALS.get(price.recurring.interval) if price.recurring else None
    if interval is None:
        return None
    named = (price.metadata or {}).get("plan_id") or price.lookup_key
    for plan in PLANS:
        cost = plan.monthly_price if interval == "monthly" else plan.annual_price
        if named == plan.id or (named is None and price.unit_amount == cost * 100):
            return Terms(plan.id, interval)
    return None


def _terms_in(said: dict[str, str]) -> Terms:
    interval: Interval = "annual" if said.get("interval") == "annual" else "monthly"
    return Terms(said.get("plan_id", ""), interval)
