"""A signature says who wrote a webhook, not that it can be read: 400, and nothing is kept."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.app import build
from billing.settings import BillingSettings
from billing.tests.payments.notices import (
    SECRET,
    bought,
    checkout,
    signed,
    signed_bytes,
    subscription,
)
from billing.tests.world import registered
from chassis.testing import ADMIN, Bench, on_the_bench

PATH = "/api/billing/webhooks/stripe"
GOOD = checkout("evt_1", 1_780_000_000)
HUGE = "x" * 250_000
NO_TEXT = json.loads('"\\ud800"')


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Billing with a key, and one tenant."""
    own = BillingSettings(home=tmp_path, stripe_key="sk_test_x", stripe_webhook_secret=SECRET)
    async with on_the_bench(build(own)) as bench:
        await bench.deliver(registered())
        yield bench


async def told(bench: Bench, request: dict[str, Any]) -> tuple[int, Any]:
    async with bench.as_caller(None) as stripe:
        answer = await stripe.post(PATH, **request)
    return answer.status_code, answer.json()


async def kept(bench: Bench) -> list[int]:
    async with bench.database.transaction(tenant_id=None) as tx:
        connection = await tx.session.connection()
        queries = (
            "SELECT count(*) FROM purchase",
            "SELECT count(*) FROM inbox WHERE subscription = 'payments'",
            "SELECT count(*) FROM invoice",
        )
        return [(await connection.exec_driver_sql(each)).scalar_one() for each in queries]


def without(event: dict[str, Any], *path: str) -> dict[str, Any]:
    found = json.loads(json.dumps(event))
    inner = found
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return found  # type: ignore[no-any-return]


def with_(event: dict[str, Any], value: Any, *path: str) -> dict[str, Any]:
    found = json.loads(json.dumps(event))
    inner = found
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return found  # type: ignore[no-any-return]


SESSION = ("data", "object")
ABOUT = subscription("evt_1", 1_780_000_000)
#: A place in an event, and values that have nothing to do there.
OUT_OF_PLACE: list[tuple[dict[str, Any], tuple[str, ...], list[Any]]] = [
    (GOOD, ("id",), [5, None, "", [], {}, HUGE, "a\0b", NO_TEXT, "ä"]),
    (GOOD, ("type",), [5, None, "", [], HUGE, NO_TEXT]),
    (GOOD, ("created",), ["1", -1, 1.5, 10**30, [], True, 10**18]),
    (GOOD, ("data",), [None, [], 5, "x", {}]),
    (GOOD, SESSION, [None, [], 5, "x"]),
    (GOOD, (*SESSION, "metadata"), [[], 5, "x", {"tenant_id": 5}]),
    (GOOD, (*SESSION, "metadata", "tenant_id"), [None, HUGE, "\0", []]),
    (GOOD, (*SESSION, "metadata", "plan_id"), [None, HUGE, NO_TEXT, {}]),
    (GOOD, (*SESSION, "customer"), [5, {}, HUGE, ""]),
    (GOOD, (*SESSION, "subscription"), [5, [], HUGE, NO_TEXT]),
    (GOOD, (*SESSION, "payment_status"), [5, [], HUGE]),
    (ABOUT, (*SESSION, "customer"), [None, 5, {}, HUGE]),
    (ABOUT, (*SESSION, "id"), [5, {}, HUGE]),
    (ABOUT, (*SESSION, "status"), [5, {}, HUGE]),
    (ABOUT, (*SESSION, "items"), [5, [], {"data": 5}, {"data": [5]}]),
    (ABOUT, (*SESSION, "items"), [{"data": [{"price": {"unit_amount": "1"}}]}]),
]
UNREADABLE: list[Any] = [
    *([], None, 42, "x", True, {}, [GOOD]),
    *(without(GOOD, name) for name in ("id", "type", "data")),
    without(ABOUT, *SESSION, "customer"),
    *(with_(event, value, *place) for event, place, values in OUT_OF_PLACE for value in values),
]
NO_JSON = [
    *(b"", b" ", b"{", b"[" * 3_000, b"[" * 3_000 + b"]" * 3_000, b'{"a":' * 3_000, b"\xff\xfe"),
    *(
        b"\xef\xbb\xbf{}",
        json.dumps(GOOD).encode("utf-16"),
        b"NaN",
        b'"\\ud800"',
        b"\x00",
        b"9" * 9999,
    ),
    json.dumps(GOOD).encode() + b"x",
]


async def test_an_event_that_is_none_is_refused(bench: Bench) -> None:
    for number, event in enumerate(UNREADABLE):
        status, problem = await told(bench, signed(event))
        assert (number, status, problem["status"]) == (number, 400, 400)
    assert await kept(bench) == [0, 0, 0]


async def test_a_body_that_is_no_json_is_refused(bench: Bench) -> None:
    for payload in NO_JSON:
        status, problem = await told(bench, signed_bytes(payload))
        assert (payload[:9], status, problem["status"]) == (payload[:9], 400, 400)
    assert await kept(bench) == [0, 0, 0]


@pytest.mark.parametrize("garbled", ["", "t=", "t=x,v1=y", "t=1,v1=\xe4", ",", "9" * 5000])
async def test_a_signature_that_is_none_is_refused(bench: Bench, garbled: str) -> None:
    request = signed(GOOD)
    request["headers"]["Stripe-Signature"] = garbled.encode("latin-1")
    assert (await told(bench, request))[0] == 400
    assert await kept(bench) == [0, 0, 0]


@pytest.mark.parametrize(
    "event",
    [
        with_(GOOD, "invoice.created", "type"),
        with_(with_(GOOD, "invoice.paid", "type"), {"anything": [1, None]}, *SESSION),
        with_(GOOD, {}, *SESSION),
        with_(GOOD, None, *SESSION, "metadata"),
    ],
)
async def test_what_does_not_concern_us_is_received_and_ignored(
    bench: Bench, event: dict[str, Any]
) -> None:
    assert await told(bench, signed(event)) == (200, {"received": True})
    assert await kept(bench) == [0, 0, 0]


async def test_a_notice_without_its_time_was_made_when_it_was_signed(bench: Bench) -> None:
    assert (await told(bench, signed(bought())))[0] == 200
    async with bench.as_caller(ADMIN) as client:
        assert (await client.get("/api/billing/current")).json()["planId"] == "plan-growth"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
places = st.sampled_from(
    [
        ("id",),
        ("type",),
        ("created",),
        ("data",),
        SESSION,
        *((*SESSION, name) for name in ("id", "customer", "subscription", "metadata", "status")),
        *((*SESSION, name) for name in ("items", "payment_status", "client_reference_id")),
        (*SESSION, "metadata", "tenant_id"),
        (*SESSION, "metadata", "plan_id"),
        (*SESSION, "metadata", "interval"),
    ]
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from([GOOD, ABOUT]), places, json_values)
async def test_no_event_whatever_breaks_anything(
    bench: Bench, event: dict[str, Any], place: tuple[str, ...], value: Any
) -> None:
    status, answer = await told(bench, signed(with_(event, value, *place)))
    assert status in {200, 400}
    assert answer == {"received": True} or answer["status"] == 400


async def test_a_notice_that_does_not_end_is_refused_while_it_comes(bench: Bench) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 10_000

    async with bench.as_caller(None) as client:
        answer = await client.post("/api/billing/webhooks/stripe", content=pieces())
    assert answer.status_code == 413
    assert await kept(bench) == [0, 0, 0]
