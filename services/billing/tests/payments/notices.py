"""Webhooks as Stripe writes and signs them."""

import hashlib
import hmac
import json
import time
from typing import Any

from chassis.testing import TENANT

SECRET = "whsec_test"


def signed_bytes(payload: bytes, *, secret: str = SECRET, age: int = 0) -> dict[str, Any]:
    """Return a request with this very body, signed."""
    moment = int(time.time()) - age
    mac = hmac.new(secret.encode(), b"%d." % moment + payload, hashlib.sha256).hexdigest()
    header = {"Stripe-Signature": f"t={moment},v1={mac}", "Content-Type": "application/json"}
    return {"content": payload, "headers": header}


def signed(event: Any, **how: Any) -> dict[str, Any]:
    """Return a request with an event, signed."""
    return signed_bytes(json.dumps(event).encode(), **how)


def bought(event_id: str = "evt_1", **metadata: str) -> dict[str, Any]:
    """Return a checkout that was paid."""
    said = {"tenant_id": TENANT, "plan_id": "plan-growth", "interval": "monthly"} | metadata
    session = {"object": "checkout.session", "customer": "cus_1", "metadata": said}
    return {
        "id": event_id,
        "object": "event",
        "type": "checkout.session.completed",
        "data": {"object": session},
    }


ENDED = {
    "id": "evt_2",
    "object": "event",
    "type": "customer.subscription.deleted",
    "data": {"object": {"object": "subscription", "customer": "cus_1"}},
}


def event(
    event_id: str, kind: str, subject: dict[str, Any], *, created: int | None
) -> dict[str, Any]:
    """Return an event about a thing of Stripe's."""
    told: dict[str, Any] = {
        "id": event_id,
        "object": "event",
        "type": kind,
        "data": {"object": subject},
    }
    return told if created is None else told | {"created": created}


def checkout(
    event_id: str,
    created: int,
    *,
    subscription: str = "sub_1",
    plan: str = "plan-growth",
    interval: str = "monthly",
    tenant: str = TENANT,
    payment: str = "paid",
    kind: str = "completed",
) -> dict[str, Any]:
    """Return a checkout session's event."""
    session = {
        "id": f"cs_{subscription}",
        "object": "checkout.session",
        "mode": "subscription",
        "customer": f"cus_{tenant}",
        "subscription": subscription,
        "payment_status": payment,
        "metadata": {"tenant_id": tenant, "plan_id": plan, "interval": interval},
    }
    return event(event_id, f"checkout.session.{kind}", session, created=created)


def subscription(
    event_id: str,
    created: int,
    *,
    kind: str = "updated",
    key: str = "sub_1",
    status: str = "active",
    price: dict[str, Any] | None = None,
    tenant: str = TENANT,
    **metadata: str,
) -> dict[str, Any]:
    """Return a subscription's event; what its metadata says was written at the checkout."""
    said = {"tenant_id": tenant, "plan_id": "plan-growth", "interval": "monthly"} | metadata
    subject: dict[str, Any] = {
        "id": key,
        "object": "subscription",
        "customer": f"cus_{tenant}",
        "status": "canceled" if kind == "deleted" else status,
        "metadata": said,
    }
    if price is not None:
        subject["items"] = {"object": "list", "data": [{"price": price}]}
    return event(event_id, f"customer.subscription.{kind}", subject, created=created)


def priced(dollars: int, interval: str, **rest: Any) -> dict[str, Any]:
    """Return a price as Stripe describes it."""
    recurring = {"interval": interval, "interval_count": 1}
    return {"unit_amount": dollars * 100, "currency": "usd", "recurring": recurring} | rest
