"""Usage to the unit, and the cap: refused before anything happens, open again once raised."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from tests.e2e.conftest import Tenant
from tests.e2e.journey import interact, is_problem, slot, with_model
from tests.running import RunningStack, until

ASKED = {"userId": "u1", "count": 1}
VIEW = {"userId": "u", "itemId": "i", "interactionType": "view"}


def usage(tenant: Tenant) -> dict[str, float]:
    found: dict[str, float] = tenant.client.get("/api/billing/usage").raise_for_status().json()
    return found


def counted(tenant: Tenant) -> tuple[float, float, float]:
    found = usage(tenant)
    return found["unitsUsed"], found["itemsUsed"], found["usersUsed"]


def test_a_stranger_and_a_key_see_no_bill(visitor: httpx.Client, bystander: Tenant) -> None:
    for path in ("current", "usage"):
        assert is_problem(visitor.get(f"/api/billing/{path}"), 401)
        assert is_problem(bystander.key_client.get(f"/api/billing/{path}"), 403)


def test_what_another_tenant_uses_is_its_own(new_tenant: Callable[[], Tenant]) -> None:
    one, other = new_tenant(), new_tenant()
    one.key_client.post("/api/v1/interactions", json=VIEW).raise_for_status()
    until(lambda: usage(one)["unitsUsed"] == 1)
    assert usage(other)["unitsUsed"] == 0


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
    assert found["requestsUsed"] == 3
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
    until(lambda: usage(tenant)["unitsUsed"] == 10_000, within=40)
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
    assert found["overageAmount"] == found["overageUnits"] * 100 // 100 / 100


def costs(tenant: Tenant, model: int, slot: int) -> list[tuple[str, str, Any, float]]:
    """Return one call of everything that bills, and the units that it is billed."""
    view = VIEW | {"itemId": "i1"}
    event = {"project": tenant.project, "deployment_slot": slot, "user_id": "u1"}
    click = event | {"item_id": "i1", "event_type": "click"}
    models = f"/api/v1/trained_model/{model}"
    one = {"user_id": "u1", "cutoff": 1}
    return [
        ("POST", "/api/v1/interactions", view | {"eventId": "a"}, 1),
        ("POST", "/api/v1/interactions", view | {"eventId": "a"}, 0),
        ("POST", "/api/v1/interactions/batch", {"interactions": [view] * 3}, 0.03),
        (
            "POST",
            "/api/v1/interactions/batch",
            {"interactions": [view | {"eventId": each} for each in "abb"]},
            0.01,
        ),
        ("POST", "/api/v1/interactions/batch", {"interactions": []}, 0),
        ("POST", "/api/v1/conversion_event", click | {"eventId": "c"}, 1),
        ("POST", "/api/v1/conversion_event", click | {"eventId": "c"}, 0),
        ("POST", "/api/v1/conversion_event/batch", {"events": [click, click]}, 0.02),
        ("POST", "/api/v1/recommend", ASKED, 1),
        ("POST", "/api/v1/similar", {"itemId": "i1", "count": 1}, 1),
        ("POST", f"/inference/predict/{model}", one, 1),
        ("POST", f"/inference/predict/project/{tenant.project}", one, 1),
        ("POST", f"/inference/predict/{model}/batch", {"user_ids": ["u1", "u1", "nobody"]}, 3),
        ("GET", f"{models}/recommendation?user_id=u1&cutoff=1", None, 1),
        (
            "POST",
            f"{models}/recommend_using_profile_interaction",
            {"item_ids": ["i1"], "cutoff": 1},
            1,
        ),
    ]


def test_each_answer_tells_what_it_is_billed(tenant: Tenant) -> None:
    model = with_model(tenant)
    deployed = slot(tenant, model, name="a")
    calls = costs(tenant, model, deployed)
    for method, path, body, units in calls:
        answer = tenant.key_client.request(method, path, json=body)
        assert answer.is_success, answer.text
        assert (path, float(answer.headers["Millrace-Units"])) == (path, units)
    sum_ = round(sum(units for *_call, units in calls), 2)
    until(lambda: usage(tenant)["unitsUsed"] == sum_, within=40)


def test_batches_that_race_each_other_to_the_cap(tenant: Tenant) -> None:
    tenant.client.put("/api/billing/overage-cap", json={"capAmount": 0.05}).raise_for_status()
    model = use_up_the_plan(tenant)
    until(lambda: usage(tenant)["unitsUsed"] == 10_000, within=40)
    path = f"/inference/predict/{model}/batch"

    def ask(users: int) -> int:
        body = {"user_ids": [f"u{n % 12}" for n in range(users)], "cutoff": 1}
        return tenant.key_client.post(path, json=body).status_code

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(ask, [100] * 5)) == [402] * 5
        assert sorted(pool.map(ask, [3] * 5)) == [200, 402, 402, 402, 402]
    assert (ask(3), ask(2), ask(1)) == (402, 200, 402)
    models = f"/api/v1/trained_model/{model}"
    assert is_problem(tenant.key_client.get(f"{models}/recommendation?user_id=u1"), 402)
    until(lambda: usage(tenant)["overageUnits"] == 5)
    assert usage(tenant)["overageAmount"] == 0.05
    tenant.client.put("/api/billing/overage-cap", json={"capAmount": 10}).raise_for_status()
    until(lambda: ask(1) == 200, within=10)
    until(lambda: usage(tenant)["overageUnits"] == 6)
    assert usage(tenant)["overageAmount"] == 0.06
    [draft, *_issued] = tenant.client.get("/api/billing/invoices").json()["data"]
    assert draft["amount"] == 49.06


def test_what_producers_write_beyond_the_cap_is_kept_and_not_billed(
    tenant: Tenant, stack: RunningStack
) -> None:
    tenant.client.put("/api/billing/overage-cap", json={"capAmount": 0.05}).raise_for_status()
    use_up_the_plan(tenant)
    until(lambda: usage(tenant)["unitsUsed"] == 10_000, within=40)
    topic = tenant.key_client.get("/api/v1/ingest").raise_for_status().json()["interactions_topic"]
    producer = Producer({"bootstrap.servers": stack.kafka})
    for n in range(700):
        producer.produce(topic, json.dumps(VIEW | {"itemId": f"i{n}"}))
    assert producer.flush(20) == 0
    until(lambda: usage(tenant)["overageUnits"] == 7, within=40)
    assert usage(tenant)["overageAmount"] == 0.05
    tenant.client.put("/api/billing/overage-cap", json={"capAmount": 10}).raise_for_status()
    assert usage(tenant)["overageAmount"] == 0.05


def use_up_the_plan(tenant: Tenant) -> int:
    """Use ten thousand units, one for each user of a prediction, and return the model's id."""
    model = with_model(tenant)
    body = {"user_ids": [f"u{n % 12}" for n in range(100)], "cutoff": 1}
    for _ in range(100):
        path = f"/inference/predict/{model}/batch"
        tenant.key_client.post(path, json=body).raise_for_status()
    return model
