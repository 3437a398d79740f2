"""What a browser sends along counts from our own pages; an open socket ends with its session."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests import local
from tests.e2e.conftest import PASSWORD, Tenant, lasting
from tests.e2e.journey import is_problem, key_with, slot, table, uploaded, with_model
from tests.running import RunningStack

ME = "/api/v1/auth/user/"
EVIL = "https://evil.test"
FOREIGN = [
    {"Origin": EVIL},
    {"Sec-Fetch-Site": "cross-site", "Origin": EVIL},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "null"},
]


@dataclass(frozen=True)
class Site:
    """A tenant with a running test of two slots, a key, and a job."""

    tenant: Tenant
    test: str
    key: str
    key_path: str
    job: str


@pytest.fixture(scope="module")
def site(stack: RunningStack) -> Iterator[Site]:
    for tenant in lasting(stack):
        client, model = tenant.client, with_model(tenant)
        arms = {each: slot(tenant, model, name=each) for each in ("control_slot", "variant_slot")}
        body = {"project": tenant.project, "name": "test", **arms}
        made = client.post("/api/v1/ab_test/", json=body).raise_for_status().json()
        test = f"/api/v1/ab_test/{made['id']}"
        client.post(f"{test}/start/").raise_for_status()
        key = key_with(tenant, "read", "write", name="kept")
        listed = client.get("/api/v1/api_keys/").raise_for_status().json()["results"]
        number = next(each["id"] for each in listed if each["name"] == "kept")
        shown = client.get(f"/api/v1/trained_model/{model}/").raise_for_status().json()
        job = shown["task_links"][0]["task"]["task_id"]
        yield Site(tenant, test, key, f"/api/v1/api_keys/{number}", job)


@pytest.fixture
def browser(stack: RunningStack, site: Site) -> Iterator[httpx.Client]:
    """Return a client that signed in as a browser does: it holds cookies and nothing else."""
    with local.Client(base_url=stack.base_url, timeout=30) as client:
        body = {"email": site.tenant.email, "password": PASSWORD}
        client.post("/api/auth/login", json=body).raise_for_status()
        yield client


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: " ".join(headers.values()))
def test_a_foreign_page_changes_nothing(
    headers: dict[str, str], browser: httpx.Client, site: Site, visitor: httpx.Client
) -> None:
    cap = browser.get("/api/billing/current").raise_for_status().json()
    for method, path in (
        ("POST", f"{site.test}/stop/"),
        ("POST", f"{site.key_path}/revoke/"),
        ("DELETE", f"{site.key_path}/"),
        ("PUT", "/api/billing/overage-cap"),
        ("POST", "/api/v1/auth/logout/"),
        ("POST", "/auth/v1/logout"),
        ("POST", "/api/v1/auth/token/refresh/"),
        ("POST", "/api/v1/auth/password/change/"),
    ):
        body = {"overageCap": 0, "cap": 0, "new_password1": "x" * 12, "new_password2": "x" * 12}
        answer = browser.request(method, path, json=body, headers=headers)
        assert is_problem(answer, 403)
        assert answer.json()["code"] == "CROSS_ORIGIN"
        assert "set-cookie" not in answer.headers
    assert browser.get(f"{site.test}/").json()["status"] == "RUNNING"
    assert browser.get("/api/billing/current").json() == cap
    assert browser.get(ME).json()["email"] == site.tenant.email
    assert visitor.get("/api/items", headers={"X-API-Key": site.key}).status_code == 200
    assert browser.post("/api/v1/auth/token/refresh/").status_code == 200


def test_our_own_page_a_token_and_a_key_change_what_they_may(
    stack: RunningStack, browser: httpx.Client, site: Site, visitor: httpx.Client
) -> None:
    name = {"name": "told by a browser"}
    for headers in ({"Origin": stack.base_url}, {"Sec-Fetch-Site": "same-origin"}, {}):
        answer = browser.patch(f"{site.test}/", json=name, headers=headers)
        assert answer.status_code == 200, answer.text
    for headers in ({"Authorization": f"Bearer {site.tenant.token}"}, {"X-API-Key": site.key}):
        foreign = headers | {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
        assert visitor.patch(f"{site.test}/", json=name, headers=foreign).status_code == 200


def socket(stack: RunningStack, site: Site, browser: httpx.Client, origin: str) -> ClientConnection:
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    return connect(
        f"ws://127.0.0.1:{stack.port}/ws/job/{site.job}/status/",
        additional_headers={"Cookie": cookie, "Origin": origin},
        proxy=None,
    )


def test_a_foreign_page_opens_no_socket(
    stack: RunningStack, browser: httpx.Client, site: Site
) -> None:
    with (
        socket(stack, site, browser, EVIL) as opened,
        pytest.raises(ConnectionClosed) as closed,
    ):
        opened.recv(timeout=30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


@pytest.fixture
def at_work(site: Site) -> Iterator[Site]:
    """Return the site with a job that goes on until it is cancelled."""
    client = site.tenant.client
    body: dict[str, Any] = {"data": uploaded(site.tenant, table()), "n_trials": 1000}
    for recipe in ("split", "evaluation"):
        made = client.post(f"/api/v1/{recipe}_config/", json={}).raise_for_status()
        body[recipe] = made.json()["id"]
    search = client.post("/api/v1/parameter_tuning_job/", json=body).raise_for_status().json()
    job = search["task_links"][0]["task"]["task_id"]
    yield replace(site, job=job)
    client.post(f"/api/v1/jobs/{job}/cancel").raise_for_status()


def closing_code(opened: ClientConnection) -> int | None:
    """Return the code that a socket is closed with, once all that came before is read."""
    while True:
        try:
            opened.recv(timeout=30)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


def test_an_open_socket_ends_with_its_session(
    stack: RunningStack, browser: httpx.Client, at_work: Site
) -> None:
    with socket(stack, at_work, browser, stack.base_url) as opened:
        assert "status_update" in str(opened.recv(timeout=30))
        browser.post("/api/v1/auth/logout/").raise_for_status()
        assert closing_code(opened) == 4401
