"""Usage to the unit, and the cap: refused before anything happens, open again once raised."""

from collections.abc import Callable

import httpx
import pytest

from tests.e2e.conftest import Tenant
from tests.e2e.journey import interact, is_problem, with_model
from tests.running import until

ASKED = {"userId": "u1", "count": 1}
VIEW = {"userId": "u", "itemId": "i", "interactionType": "view"}


def usage(tenant: Tenant) -> dict[str, float]:
    found: dict[str, float] = tenant.client.get("/api/billing/usage").raise_for_status().json()
    return found


def counted(tenant: Tenant) -> tuple[float, float, float]:
    found = usage(tenant)
    return found["requestsUsed"], found["itemsUsed"], found["usersUsed"]


def test_a_stranger_and_a_key_see_no_bill(visitor: httpx.Client, bystander: Tenant) -> None:
    for path in ("current", "usage"):
        assert is_problem(visitor.get(f"/api/billing/{path}"), 401)
        assert is_problem(bystander.key_client.get(f"/api/billing/{path}"), 403)


def test_what_another_tenant_uses_is_its_own(new_tenant: Callable[[], Tenant]) -> None:
    one, other = new_tenant(), new_tenant()
    one.key_client.post("/api/v1/interactions", json=VIEW).raise_for_status()
    until(lambda: usage(one)["requestsUsed"] == 1)
    assert usage(other)["requestsUsed"] == 0


def test_a_new_tenant_starts_on_the_starter_plan(bystander: Tenant) -> None:
    current = bystander.client.get("/api/billing/current").json()
    assert (current["planId"], current["status"]) == ("plan-starter", "active")
    found = usage(bystander)
    assert (found["requestLimit"], found["overageBudgetCap"]) == (10_000, 100)


def test_every_kind_of_use_is_counted_to_the_unit(tenant: Tenant) -> None:
    client = tenant.key_client
    client.post("/api/v1/interactions", json=VIEW | {"eventId": "e"}).raise_for_status()  # 1
    client.post("/api/v1/interactions", json=VIEW | {"eventId": "e"}).raise_for_status()  # again
    interact(tenant, [("u", f"i{n}") for n in range(30)])  # 0.30
    client.post("/api/v1/recommend", json={"userId": "u", "count": 3}).raise_for_status()  # 1
    client.post("/api/v1/similar", json={"itemId": "i", "count": 3}).raise_for_status()  # 1
    client.post("/api/v1/interactions", json=VIEW | {"value": 9})  # a failure is free
    client.post("/api/v1/recommend", json={"userId": "u"})  # so is this one
    client.get("/api/items").raise_for_status()  # and what reads
    # What was used and what there is are told on different topics.
    until(lambda: counted(tenant) == (3.3, 31, 1), within=40)
    found = usage(tenant)
    assert found["lastRequestAt"] is not None
    assert (found["overageUnits"], found["budgetExceeded"]) == (0, False)


@pytest.mark.parametrize("amount", [-1, "5", None, float("1e12"), True])
def test_an_unsound_cap_is_refused(amount: object, bystander: Tenant) -> None:
    answer = bystander.client.put("/api/billing/overage-cap", json={"capAmount": amount})
    assert is_problem(answer, 400)
    assert usage(bystander)["overageBudgetCap"] == 100


def test_the_cap_stops_everything_that_costs_and_raising_it_opens_at_once(tenant: Tenant) -> None:
    client = tenant.key_client
    tenant.client.put("/api/billing/overage-cap", json={"capAmount": 0}).raise_for_status()
    use_up_the_plan(tenant)
    until(lambda: usage(tenant)["requestsUsed"] == 10_000, within=40)
    view = VIEW | {"itemId": "beyond the cap"}
    until(lambda: client.post("/api/v1/recommend", json=ASKED).status_code == 402)
    items = client.get("/api/items").raise_for_status().json()["total"]
    for path, body in (
        ("/api/v1/interactions", view),
        ("/api/v1/interactions/batch", {"interactions": [view]}),
        ("/api/v1/recommend", ASKED),
        ("/api/v1/similar", {"itemId": "i1", "count": 1}),
    ):
        assert is_problem(client.post(path, json=body), 402)
    assert client.get("/api/items").json()["total"] == items
    assert usage(tenant)["budgetExceeded"] is True
    tenant.client.put("/api/billing/overage-cap", json={"capAmount": 50}).raise_for_status()
    until(lambda: client.post("/api/v1/recommend", json=ASKED).status_code == 200, within=10)
    until(lambda: usage(tenant)["overageUnits"] > 0)
    found = usage(tenant)
    assert found["overageAmount"] == pytest.approx(found["overageUnits"] * 0.01)


def use_up_the_plan(tenant: Tenant) -> None:
    """Use ten thousand units: a prediction costs one for each user."""
    model = with_model(tenant)
    body = {"user_ids": [f"u{n % 12}" for n in range(100)], "cutoff": 1}
    for _ in range(100):
        path = f"/inference/predict/{model}/batch"
        tenant.key_client.post(path, json=body).raise_for_status()
