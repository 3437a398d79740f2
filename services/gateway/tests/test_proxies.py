"""Whose word about the client's address counts."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from gateway.forwarding.proxies import Proxies
from gateway.settings import GatewaySettings
from gateway.tests.stage import Recorder, Stage, play

PROXY = "10.0.0.9"


def seen(proxies: str, *told: str, peer: str = PROXY, kind: str = "http") -> dict[str, Any]:
    """Return a request as the gateway sees it that a peer sent."""
    headers = [(b"x-forwarded-for", text.encode()) for text in told]
    scope = {"type": kind, "client": (peer, 5000), "scheme": "http", "headers": headers}
    return dict(Proxies(proxies).seen_through(scope))


@pytest.mark.parametrize(
    ("told", "address"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        (["6.6.6.6", "203.0.113.7, 10.0.0.1"], "203.0.113.7"),
        (["203.0.113.7:4711"], "203.0.113.7"),
        (["[2001:db8::7]:4711"], "2001:db8::7"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, nonsense"], PROXY),
        (["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ([], PROXY),
        ([""], PROXY),
    ],
)
def test_the_right_most_address_that_nobody_trusts_is_the_clients(
    told: list[str], address: str
) -> None:
    assert seen("192.0.2.0/24, 10.0.0.0/8", *told)["client"][0] == address


@pytest.mark.parametrize("proxies", ["", "10.0.0.1", "2001:db8::/32"])
def test_what_others_tell_is_made_up(proxies: str) -> None:
    assert seen(proxies, "203.0.113.7")["client"] == (PROXY, 5000)


def test_a_trusted_proxy_tells_how_it_was_asked() -> None:
    for kind, scheme in (("http", "https"), ("websocket", "wss")):
        scope = {
            "type": kind,
            "client": (PROXY, 5000),
            "scheme": "http",
            "headers": [(b"x-forwarded-proto", b"https")],
        }
        assert Proxies(PROXY).seen_through(scope)["scheme"] == scheme
        assert Proxies("").seen_through(scope)["scheme"] == "http"


def test_what_is_no_network_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        GatewaySettings(home=tmp_path, trusted_proxies="the ingress")


async def _strangers(stage: Stage, *addresses: str) -> list[int]:
    client = stage.client(address=PROXY)
    return [
        (await client.get("/api/items", headers={"X-Forwarded-For": address})).status_code
        for address in addresses
    ]


async def test_nobody_escapes_the_rate_by_naming_other_addresses(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async with play(tmp_path, keys, recorder, rate_anonymous="2/minute") as stage:
        assert await _strangers(stage, "1.1.1.1", "2.2.2.2", "3.3.3.3") == [401, 401, 429]


async def test_clients_of_a_trusted_proxy_are_counted_apart(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async with play(
        tmp_path, keys, recorder, rate_anonymous="2/minute", trusted_proxies=PROXY
    ) as stage:
        statuses = await _strangers(stage, "1.1.1.1", "1.1.1.1", "2.2.2.2", "9.9.9.9, 1.1.1.1")
        assert statuses == [401, 401, 401, 429]
        admin = await stage.admin()
        through = stage.client(address=PROXY, X_Forwarded_For="1.1.1.1", **admin.headers)
        await through.get("/api/items")
        assert recorder.last.headers["x-forwarded-for"] == "1.1.1.1"


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("10.1.2.3", {}, 200),
        ("100.64.1.2", {}, 200),
        ("::1", {}, 200),
        ("93.184.216.34", {}, 404),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("10.1.2.3", {"Forwarded": "for=10.0.0.1"}, 404),
    ],
)
async def test_measurements_are_for_who_is_near(
    stage: Stage, address: str, headers: dict[str, str], status: int
) -> None:
    shown: httpx.Response = await stage.client(address=address).get("/metrics", headers=headers)
    assert shown.status_code == status
    assert ("millrace_request_seconds" in shown.text) is (status == 200)
