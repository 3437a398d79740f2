"""An A/B test from two models to a promoted winner that inference follows."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.conftest import Tenant, lasting
from tests.e2e.journey import configured, is_problem, slot, table, trained, uploaded
from tests.running import RunningStack, until

PEOPLE = [f"u{n}" for n in range(12)]


@dataclass(frozen=True)
class Arms:
    """Two slots of one project, each with a model of its own."""

    tenant: Tenant
    control: int
    variant: int

    def test(self, **changes: Any) -> str:
        """Make a test of the two and return its path."""
        body = {
            "project": self.tenant.project,
            "name": f"test {uuid4().hex}",
            "control_slot": self.control,
            "variant_slot": self.variant,
        }
        made = self.tenant.client.post("/api/v1/ab_test/", json=body | changes)
        assert made.status_code == 201, made.text
        assert made.json()["status"] == "DRAFT"
        return f"/api/v1/ab_test/{made.json()['id']}"

    def shown(self, user: str) -> dict[str, Any]:
        """Ask for a prediction through the project's slots."""
        path = f"/inference/predict/project/{self.tenant.project}"
        answer = self.tenant.key_client.post(path, json={"user_id": user, "cutoff": 3})
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def drawn(self, people: Sequence[str] = PEOPLE) -> list[int]:
        """Return the slot that answers each person."""
        with ThreadPoolExecutor(8) as callers:
            return [shown["slot_id"] for shown in callers.map(self.shown, people)]

    def change(self, slot_id: int, **values: Any) -> dict[str, Any]:
        """Change a slot and return it."""
        answer = self.tenant.client.patch(f"/api/v1/deployment_slot/{slot_id}/", json=values)
        changed: dict[str, Any] = answer.raise_for_status().json()
        return changed

    def event(self, kind: str, shown: dict[str, Any], user: str) -> dict[str, Any]:
        return {
            "project": self.tenant.project,
            "deployment_slot": shown["slot_id"],
            "user_id": user,
            "item_id": shown["items"][0]["item_id"] if shown["items"] else "",
            "event_type": kind,
            "recommendation_request_id": shown["request_id"],
        }

    def tell(self, *events: dict[str, Any]) -> None:
        path = "/api/v1/conversion_event/batch/"
        answer = self.tenant.key_client.post(path, json={"events": list(events)})
        assert answer.status_code == 201, answer.text


@pytest.fixture(scope="module")
def owner(stack: RunningStack) -> Iterator[Tenant]:
    yield from lasting(stack)


@pytest.fixture(scope="module")
def arms(owner: Tenant) -> Arms:
    data = uploaded(owner, table())
    models = [
        trained(owner, configuration=configured(owner, learner), data=data)
        for learner in ("TopPopRecommender", "CosineKNNRecommender")
    ]
    control, variant = (slot(owner, model, name=f"arm {model}") for model in models)
    return Arms(owner, control, variant)


def test_a_stranger_is_refused(visitor: httpx.Client) -> None:
    for path in ("ab_test/", "deployment_slot/", "conversion_event/", "ab_test/1/results/"):
        assert is_problem(visitor.get(f"/api/v1/{path}"), 401)


def test_another_tenants_test_does_not_exist(arms: Arms, bystander: Tenant) -> None:
    path = arms.test()
    for method, action in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/start"),
        ("POST", "/stop"),
        ("GET", "/results"),
        ("POST", "/promote_winner"),
    ):
        body = {"name": "mine"} if method == "PATCH" else None
        assert is_problem(bystander.client.request(method, f"{path}{action}", json=body), 404)
    assert arms.tenant.client.get(path).json()["status"] == "DRAFT"


def test_another_tenants_slots_cannot_be_compared_or_counted(
    arms: Arms, new_tenant: Callable[[], Tenant]
) -> None:
    stranger = new_tenant()
    shown = {"slot_id": arms.control, "request_id": str(uuid4()), "items": []}
    event = arms.event("click", shown, "u1")
    for project in (arms.tenant.project, stranger.project):
        answer = stranger.key_client.post(
            "/api/v1/conversion_event/", json=event | {"project": project}
        )
        assert answer.status_code in {400, 403}
    body = {
        "project": stranger.project,
        "name": "theirs",
        "control_slot": arms.control,
        "variant_slot": arms.variant,
    }
    foreign = stranger.client.post("/api/v1/ab_test/", json=body)
    absent = stranger.client.post(
        "/api/v1/ab_test/", json=body | {"control_slot": 999_998, "variant_slot": 999_999}
    )
    assert is_problem(foreign, 400)
    assert set(foreign.json()) == set(absent.json())


def test_unsound_tests_are_refused(arms: Arms) -> None:
    body = {
        "project": arms.tenant.project,
        "name": "unsound",
        "control_slot": arms.control,
        "variant_slot": arms.variant,
    }
    for change in (
        {"variant_slot": arms.control},
        {"target_metric_name": "joy"},
        {"confidence_level": 0.999},
        {"min_sample_size": 0},
    ):
        answer = arms.tenant.client.post("/api/v1/ab_test/", json=body | change)
        assert is_problem(answer, 400)


def test_a_test_goes_one_way_only(arms: Arms) -> None:
    client, path = arms.tenant.client, arms.test()
    assert client.post(f"{path}/stop/").json()["error"] == "Can only stop RUNNING tests"
    refused = client.post(f"{path}/promote_winner/", json={"slot_id": arms.control})
    assert refused.json()["error"] == "Can only promote winner of COMPLETED tests"
    started = client.post(f"{path}/start/").json()
    assert (started["status"], started["ended_at"]) == ("RUNNING", None)
    assert is_problem(client.post(f"{path}/start/"), 400)
    stopped = client.post(f"{path}/stop/").json()
    assert stopped["status"] == "COMPLETED"
    assert stopped["started_at"] < stopped["ended_at"]


def test_a_test_nobody_saw_says_nothing(arms: Arms) -> None:
    found = arms.tenant.client.get(f"{arms.test()}/results/").json()
    assert [found[n] for n in ("control_rate", "variant_rate", "z_score", "p_value", "lift")] == [
        0,
        0,
        0,
        1,
        0,
    ]
    assert (found["significant"], found["confidence_interval"]) == (False, [0, 0])


def test_events_are_facts(arms: Arms) -> None:
    made = arms.tenant.key_client.post(
        "/api/v1/conversion_event/", json=arms.event("click", arms.shown("u1"), "u1")
    ).json()
    path = f"/api/v1/conversion_event/{made['id']}/"
    assert arms.tenant.client.get(path).json()["event_type"] == "click"
    for method in ("PUT", "PATCH", "DELETE"):
        assert is_problem(arms.tenant.client.request(method, path, json={}), 405)


def test_a_bad_event_refuses_its_batch(arms: Arms) -> None:
    before = arms.tenant.client.get("/api/v1/conversion_event/").json()["count"]
    sound = arms.event("click", arms.shown("u1"), "u1")
    answer = arms.tenant.key_client.post(
        "/api/v1/conversion_event/batch/", json={"events": [sound, {**sound, "event_type": "x"}]}
    )
    assert is_problem(answer, 400)
    assert answer.json()["events"][0] == {}
    assert "event_type" in answer.json()["events"][1]
    assert arms.tenant.client.get("/api/v1/conversion_event/").json()["count"] == before


def test_from_draft_to_a_winner_that_inference_follows(arms: Arms) -> None:
    client, path = arms.tenant.client, arms.test(target_metric_name="ctr", min_sample_size=10)
    client.post(f"{path}/start/").raise_for_status()
    # A person stays in one arm as soon as inference has heard of the test.
    until(lambda: arms.drawn() == arms.drawn())
    shown = {user: arms.shown(user) for user in PEOPLE}
    counts = {arms.control: [0, 0], arms.variant: [0, 0]}
    for user, answer in shown.items():
        impression = arms.event("impression", answer, user)
        click = arms.event("click", answer, user) | {"eventId": f"{path}:{user}"}
        arms.tell(impression, impression)  # one request is one impression
        counts[answer["slot_id"]][0] += 1
        if answer["slot_id"] == arms.variant:
            arms.tell(click)
            arms.tell(click)
            counts[arms.variant][1] += 1
    found = client.get(f"{path}/results/").json()
    assert [found["control_impressions"], found["control_conversions"]] == counts[arms.control]
    assert [found["variant_impressions"], found["variant_conversions"]] == counts[arms.variant]
    assert found["sufficient_data"] is True
    # Each person was shown one request, and each click belongs to one; twelve people prove nothing.
    for arm, slot_id in (("control", arms.control), ("variant", arms.variant)):
        names = ("users", "joined_impressions", "joined_conversions")
        shown_to, clicked = counts[slot_id]
        assert [found[f"{arm}_{name}"] for name in names] == [shown_to, shown_to, clicked]
    assert (found["always_valid_p_value"], found["always_valid_significant"]) == (1.0, False)
    assert found["sample_ratio_mismatch"] is False
    client.post(f"{path}/stop/").raise_for_status()
    promoted = client.post(f"{path}/promote_winner/", json={"slot_id": arms.variant}).json()
    assert promoted == {"status": "promoted", "winner_slot_id": arms.variant}
    assert client.get(path).json()["winner_slot"] == arms.variant
    assert client.get(f"/api/v1/deployment_slot/{arms.control}/").json()["is_active"] is False
    until(lambda: set(arms.drawn()) == {arms.variant})
    assert set(arms.drawn()) == {arms.variant}


def crowd() -> str:
    """Return a table of a thousand people who have each met two of thirty items."""
    rows = ((f"p{n // 2}", f"i{(n // 2 + n % 2) % 30}", n % 60) for n in range(2000))
    lines = (f"{user},{item},2026-01-01T00:00:{second:02d}" for user, item, second in rows)
    return "\n".join(["user_id,item_id,timestamp", *lines])


def test_nobody_changes_arm_when_weights_are_edited_in_a_running_test(tenant: Tenant) -> None:
    client, people = tenant.client, [f"p{n}" for n in range(1000)]
    model = trained(tenant, configuration=configured(tenant), data=uploaded(tenant, crowd()))
    control, variant = (slot(tenant, model, name=name) for name in ("control", "variant"))
    arms = Arms(tenant, control, variant)
    path = arms.test()
    test_id = client.post(f"{path}/start/").raise_for_status().json()["id"]
    until(lambda: arms.drawn(people[:12]) == arms.drawn(people[:12]))
    before = arms.drawn(people)
    assert 430 < Counter(before)[control] < 570

    for slot_id, weight in ((control, 90), (variant, 10)):
        changed = arms.change(slot_id, weight=weight, name=f"weighs {weight}")
        assert (changed["weight"], changed["applies_after_ab_test"]) == (weight, test_id)
    names = {"weighs 90", "weighs 10"}
    until(lambda: {arms.shown(person)["slot_name"] for person in people[:12]} == names)

    assert arms.drawn(people) == before
    found = client.get(f"{path}/results/").json()
    assert found["expected_control_share"] == 0.5
    client.post(f"{path}/stop/").raise_for_status()
    until(lambda: Counter(arms.drawn(people[:200]))[control] > 150)
    assert arms.change(control, name="done")["applies_after_ab_test"] is None
