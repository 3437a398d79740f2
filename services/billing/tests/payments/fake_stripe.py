"""A Stripe of our own: it keeps what it is told, and tells of it in signed webhooks.

It speaks as much of Stripe's HTTP API as the SDK asks for on our behalf: checkout sessions,
subscriptions, invoice items, invoices and portal visits, idempotency keys included. What people do
on Stripe's pages are methods. Each change makes an event; who uses it sends the events on, in any
order.
"""

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from billing.tests.payments.notices import event

Thing = dict[str, Any]
#: The second in which it begins; each event happens a second later than the one before.
BEGIN = 1_768_473_000


class Refused(Exception):
    """What Stripe answers with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FakeStripe:
    """All that one account at Stripe holds."""

    def __init__(self) -> None:
        self.things: dict[str, dict[str, Thing]] = {
            kind: {}
            for kind in ("customer", "session", "subscription", "item", "invoice", "portal")
        }
        self.events: list[Thing] = []
        self.asked: list[tuple[str, str]] = []
        #: Answers by idempotency key; Stripe forgets them after a day or more.
        self.idempotent: dict[str, Thing] = {}
        #: How many of the next requests do their work and then break the connection.
        self.breaking = 0
        self.away = False
        self._numbers = itertools.count(1)
        self._seconds = itertools.count(BEGIN)
        self._lock = threading.RLock()
        self.url = ""

    # What people do on Stripe's pages.

    def pay(self, session: str, *, payment: str = "paid", status: str = "active") -> Thing:
        """Complete a checkout; return the subscription that it makes."""
        with self._lock:
            found = self.things["session"][session]
            assert found["status"] == "open", "nobody can pay on a page that is over"
            customer = found["customer"] or self._new("customer", "cus", {})["id"]
            made = self._new(
                "subscription",
                "sub",
                {
                    "object": "subscription",
                    "customer": customer,
                    "status": status,
                    "metadata": dict(found["said"]),
                    "cancel_at_period_end": False,
                    "cancel_at": None,
                    "items": {"object": "list", "data": [{"price": found["price"]}]},
                },
            )
            found |= {
                "status": "complete",
                "payment_status": payment,
                "customer": customer,
                "subscription": made["id"],
            }
            self._tell("customer.subscription.created", made)
            self._tell("checkout.session.completed", found)
            return made

    def debit(self, session: str, *, succeeds: bool) -> None:
        """End a payment that takes days."""
        found = self.things["session"][session]
        if succeeds:
            found["payment_status"] = "paid"
        word = "succeeded" if succeeds else "failed"
        self._tell(f"checkout.session.async_payment_{word}", found)

    def change(self, subscription: str, **members: Any) -> None:
        """Change a subscription as the portal does."""
        found = self.things["subscription"][subscription]
        found |= members
        over = found["status"] == "canceled"
        self._tell(f"customer.subscription.{'deleted' if over else 'updated'}", found)

    def switch(self, subscription: str, *, dollars: int, interval: str) -> None:
        """Change the plan of a subscription; its metadata goes on saying what was bought."""
        price = {"unit_amount": dollars * 100, "recurring": {"interval": interval}}
        self.change(subscription, items={"object": "list", "data": [{"price": price}]})

    def fail_invoice(self, subscription: str, status: str) -> None:
        """Fail a payment, and tell of the invoice before or instead of the subscription."""
        self.things["subscription"][subscription]["status"] = status
        parent = {"subscription_details": {"subscription": subscription}}
        self._tell("invoice.payment_failed", {"object": "invoice", "parent": parent})

    def _new(self, kind: str, prefix: str, members: Thing) -> Thing:
        made = {"id": f"{prefix}_{next(self._numbers)}", "created": BEGIN, **members}
        self.things[kind][made["id"]] = made
        return made

    def _tell(self, kind: str, subject: Thing) -> None:
        at = next(self._seconds)
        shown = json.loads(json.dumps(subject))
        self.events.append(event(f"evt_{at}", kind, shown, created=at))

    # What the SDK asks for.

    def answer(self, method: str, path: str, asked: Thing, key: str | None) -> Thing:
        with self._lock:
            self.asked.append((method, path))
            if self.away:
                raise Refused(500, "away")
            if key is not None and key in self.idempotent:
                return self.idempotent[key]
            made = self._answer(method, path.removeprefix("/v1/").split("/"), asked)
            if key is not None:
                self.idempotent[key] = made
            return made

    def _answer(self, method: str, path: list[str], asked: Thing) -> Thing:
        match method, path:
            case "POST", ["checkout", "sessions"]:
                return self._session(asked)
            case "POST", ["checkout", "sessions", key, "expire"]:
                return self._expire(key)
            case "GET", ["checkout", "sessions", key]:
                return self._found("session", key)
            case "POST", ["billing_portal", "sessions"]:
                self._found("customer", asked["customer"])
                made = self._new("portal", "bps", dict(asked))
                return made | {"url": f"https://stripe.test/portal/{made['id']}"}
            case "GET", ["subscriptions", key]:
                return self._found("subscription", key)
            case "DELETE", ["subscriptions", key]:
                return self._cancelled(key)
            case "GET", ["subscriptions"]:
                return self._list("subscription", asked)
            case "POST", ["invoiceitems"]:
                return self._item(asked)
            case "GET", ["invoiceitems"]:
                return self._list("item", asked)
            case "POST", ["invoices"]:
                return self._invoice(asked)
        raise Refused(404, "Unrecognized request URL")

    def _found(self, kind: str, key: str) -> Thing:
        if key not in self.things[kind]:
            raise Refused(404, f"No such {kind}: '{key}'")
        return self.things[kind][key]

    def _list(self, kind: str, asked: Thing) -> Thing:
        found = [
            each
            for each in self.things[kind].values()
            if each.get("customer") == asked.get("customer")
        ]
        return {"object": "list", "data": found, "has_more": False, "url": "/v1/things"}

    def _cancelled(self, key: str) -> Thing:
        """End a subscription at once, and bill what waits for its next invoice."""
        found = self._found("subscription", key)
        if found["status"] == "canceled":
            raise Refused(404, f"No such subscription: '{key}'")
        waiting = [
            item
            for item in self.things["item"].values()
            if item.get("subscription") == key and not item["invoice"]
        ]
        if waiting:
            made = self._new("invoice", "in", {"customer": found["customer"]})
            for item in waiting:
                item["invoice"] = made["id"]
        found["status"] = "canceled"
        self._tell("customer.subscription.deleted", found)
        return found

    def _session(self, asked: Thing) -> Thing:
        if "customer" in asked:
            self._found("customer", asked["customer"])
        made = self._new(
            "session",
            "cs",
            {
                "object": "checkout.session",
                "status": "open",
                "payment_status": "unpaid",
                "customer": asked.get("customer"),
                "subscription": None,
                "client_reference_id": asked["client_reference_id"],
                "metadata": asked["metadata"],
                "said": asked["subscription_data"]["metadata"],
                "price": {
                    "unit_amount": int(asked["line_items"]["0"]["price_data"]["unit_amount"]),
                    "recurring": asked["line_items"]["0"]["price_data"]["recurring"],
                },
            },
        )
        made["url"] = f"https://stripe.test/pay/{made['id']}"
        return made

    def _expire(self, key: str) -> Thing:
        found = self._found("session", key)
        if found["status"] != "open":
            raise Refused(400, "Only Checkout Sessions with a status in [open] can be expired.")
        found["status"] = "expired"
        return found

    def _item(self, asked: Thing) -> Thing:
        self._found("customer", asked["customer"])
        if "subscription" in asked:
            over = self._found("subscription", asked["subscription"])["status"] == "canceled"
            if over:
                raise Refused(400, "The subscription is canceled.")
        return self._new("item", "ii", {**asked, "amount": int(asked["amount"]), "invoice": None})

    def _invoice(self, asked: Thing) -> Thing:
        made = self._new("invoice", "in", dict(asked))
        for item in self.things["item"].values():
            if item["customer"] == asked["customer"] and not item["invoice"]:
                item["invoice"] = made["id"]
        return made


class _Server(ThreadingHTTPServer):
    stripe: FakeStripe
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._do("GET", parse_qsl(urlsplit(self.path).query))

    def do_DELETE(self) -> None:
        self._do("DELETE", parse_qsl(urlsplit(self.path).query))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self._do("POST", parse_qsl(body))

    def _do(self, method: str, pairs: list[tuple[str, str]]) -> None:
        stripe, path = self.server.stripe, urlsplit(self.path).path
        try:
            found = stripe.answer(method, path, _nested(pairs), self.headers.get("Idempotency-Key"))
            status = 200
        except Refused as refused:
            kind = "invalid_request_error" if refused.status < 500 else "api_error"
            status, found = refused.status, {"error": {"type": kind, "message": str(refused)}}
        if method == "POST" and stripe.breaking:
            # It is done, and nobody hears of it.
            stripe.breaking -= 1
            self.close_connection = True
            return
        payload = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _nested(pairs: list[tuple[str, str]]) -> Thing:
    """Return `a[b][c]=d` as nested objects."""
    found: Thing = {}
    for name, value in pairs:
        inner, *rest = name.replace("]", "").split("[")
        place = found
        for each in rest:
            place = place.setdefault(inner, {})
            inner = each
        place[inner] = value
    return found


@contextmanager
def served() -> Iterator[FakeStripe]:
    """Run a Stripe on a free port."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.stripe = FakeStripe()
        server.stripe.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.stripe
        finally:
            server.shutdown()
            thread.join()
