"""`/api/billing`: public plans, and what a tenant's people may see and set."""

from dataclasses import replace

import httpx
import pytest

from billing.tests.world import interaction, usage
from chassis.testing import MEMBER, Bench, FrozenClock, key_of
from contracts.billing import AllowanceChanged

PATHS = ("current", "usage")


async def test_an_anonymous_caller_is_refused(bench: Bench) -> None:
    async with bench.as_caller(None) as anonymous:
        for path in PATHS:
            assert (await anonymous.get(f"/api/billing/{path}")).status_code == 401
        answer = await anonymous.put("/api/billing/overage-cap", json={"capAmount": 1})
        assert answer.status_code == 401


async def test_each_tenant_sees_its_own_usage_and_cap(
    bench: Bench, admin: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await bench.deliver(interaction())
    await admin.put("/api/billing/overage-cap", json={"capAmount": 5})
    assert (await usage(stranger))["requestsUsed"] == 0
    assert (await usage(stranger))["usersUsed"] == 0
    assert (await usage(stranger))["overageBudgetCap"] == 100
    assert (await usage(admin))["requestsUsed"] == 1


async def test_keys_are_refused_and_administrators_alone_set_the_cap(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    async with bench.as_caller(key_of("read", "write")) as key:
        for path in PATHS:
            assert (await key.get(f"/api/billing/{path}")).status_code == 403
        refused = await key.put("/api/billing/overage-cap", json={"capAmount": 2})
        assert refused.status_code == 403
    assert (await usage(admin))["overageBudgetCap"] == 100
    async with bench.as_caller(MEMBER) as member:
        for path in PATHS:
            assert (await member.get(f"/api/billing/{path}")).status_code == 200
        answer = await member.put("/api/billing/overage-cap", json={"capAmount": 1})
        assert answer.status_code == 403
    answer = await admin.put("/api/billing/overage-cap", json={"capAmount": 1})
    assert answer.status_code == 200
    assert (await usage(admin))["overageBudgetCap"] == 1


async def test_anybody_may_read_the_plans(bench: Bench) -> None:
    async with bench.as_caller(None) as anonymous:
        answer = await anonymous.get("/api/billing/plans")
    assert answer.json() == [
        {
            "id": "plan-starter",
            "name": "Starter",
            "monthlyPrice": 49,
            "annualPrice": 470,
            "requestLimit": 10000,
            "itemLimit": 1000,
            "userLimit": 500,
        },
        {
            "id": "plan-growth",
            "name": "Growth",
            "monthlyPrice": 149,
            "annualPrice": 1430,
            "requestLimit": 100000,
            "itemLimit": 10000,
            "userLimit": 5000,
        },
    ]


async def test_a_new_tenant_is_on_the_first_plan_for_thirty_days(
    admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    found = (await admin.get("/api/billing/current")).json()
    assert (found["planId"], found["status"], found["interval"]) == (
        "plan-starter",
        "active",
        "monthly",
    )
    assert found["plan"]["requestLimit"] == 10000
    assert found["currentPeriodStart"] == "2026-01-15T10:30:00Z"
    assert found["currentPeriodEnd"] == "2026-02-14T10:30:00Z"
    clock.advance(days=30)
    found = (await admin.get("/api/billing/current")).json()
    assert found["currentPeriodStart"] == "2026-02-14T10:30:00Z"


async def test_usage_begins_with_nothing(admin: httpx.AsyncClient) -> None:
    assert await usage(admin) == {
        "requestsUsed": 0,
        "unitsUsed": 0,
        "requestLimit": 10000,
        "percentUsed": 0.0,
        "overageUnits": 0,
        "overageAmount": 0,
        "overageBudgetCap": 100,
        "budgetExceeded": False,
        "itemsUsed": 0,
        "itemsLimit": 1000,
        "usersUsed": 0,
        "usersLimit": 500,
        "lastRequestAt": None,
        "itemOverageUnits": 0,
        "userOverageUnits": 0,
        "warnings": [],
    }


@pytest.mark.parametrize(("cap", "read"), [(250.0, 250), (0, 0), (12.345, 12.34), (1e9, 10**9)])
async def test_a_cap_is_set_and_announced_at_once(
    bench: Bench, admin: httpx.AsyncClient, cap: float, read: float
) -> None:
    answer = await admin.put("/api/billing/overage-cap", json={"capAmount": cap})
    assert answer.status_code == 200
    assert answer.json()["overageBudgetCap"] == read
    assert (await usage(admin))["overageBudgetCap"] == read
    event = (await bench.emitted(AllowanceChanged))[-1]
    assert event.allowed_centiunits == 10_000 * 100 + round(read * 10_000)


@pytest.mark.parametrize(
    "body",
    [{}, {"capAmount": None}, {"capAmount": -1}, {"capAmount": "5"}, {"capAmount": True},
     {"capAmount": 1e10}, {"capAmount": 10**400}, [], None],
)  # fmt: skip
async def test_a_bad_cap_is_refused(bench: Bench, admin: httpx.AsyncClient, body: object) -> None:
    before = len(await bench.emitted(AllowanceChanged))
    answer = await admin.put("/api/billing/overage-cap", json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(await bench.emitted(AllowanceChanged)) == before
    assert (await usage(admin))["overageBudgetCap"] == 100


@pytest.mark.parametrize("text", ['{"capAmount": NaN}', '{"capAmount": Infinity}', "{"])
async def test_a_cap_is_a_finite_number(admin: httpx.AsyncClient, text: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await admin.put("/api/billing/overage-cap", content=text, headers=headers)
    assert answer.status_code == 400


async def test_a_tenant_that_nobody_told_us_of_has_the_first_plan(bench: Bench) -> None:
    unknown = replace(MEMBER, tenant_id="00000000-0000-4000-8000-00000000000f", role="admin")
    async with bench.as_caller(unknown) as client:
        assert (await usage(client))["requestLimit"] == 10000
        assert (await client.get("/api/billing/current")).json()["id"] is None
        answer = await client.put("/api/billing/overage-cap", json={"capAmount": 7})
        assert answer.json()["capAmount"] == 7
        assert (await client.get("/api/billing/current")).json()["id"]
