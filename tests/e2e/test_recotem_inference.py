"""Recotem's inference API: a model by its id, a batch, a project's slots."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import httpx
import pytest

from tests.e2e.conftest import Tenant, lasting
from tests.e2e.journey import is_problem, key_with, slot, with_model
from tests.running import RunningStack, until


@pytest.fixture(scope="module")
def owner(stack: RunningStack) -> Iterator[Tenant]:
    """Return a tenant with a model; the tests of this module share it."""
    yield from lasting(stack)


@pytest.fixture(scope="module")
def model(owner: Tenant) -> int:
    return with_model(owner, "CosineKNNRecommender")


def predict(tenant: Tenant, path: str, **body: Any) -> httpx.Response:
    return tenant.key_client.post(f"/inference/predict/{path}", json=body)


def test_a_stranger_is_refused(visitor: httpx.Client, model: int) -> None:
    for path in (f"{model}", f"{model}/batch", "project/1"):
        answer = visitor.post(f"/inference/predict/{path}", json={"user_id": "u1"})
        assert is_problem(answer, 401)


def test_another_tenants_model_does_not_exist(model: int, bystander: Tenant) -> None:
    foreign = predict(bystander, f"{model}", user_id="u1")
    absent = predict(bystander, "999999", user_id="u1")
    assert is_problem(foreign, 404)
    assert is_problem(absent, 404)
    told = foreign.json()["detail"].replace(str(model), "999999")
    assert told == absent.json()["detail"]


def test_a_key_of_another_project_or_without_predict_is_refused(
    owner: Tenant, model: int, visitor: httpx.Client
) -> None:
    body = {"name": "other", "user_column": "u", "item_column": "i"}
    other = owner.client.post("/api/v1/project/", json=body).json()["id"]
    strange = key_with(owner, "predict", name="strange", project=other)
    mute = key_with(owner, "read", "write", name="mute")
    path = f"/inference/predict/{model}"
    refused = visitor.post(path, json={"user_id": "u1"}, headers={"X-API-Key": strange})
    assert refused.status_code in {403, 404}
    assert is_problem(visitor.post(path, json={"user_id": "u1"}, headers={"X-API-Key": mute}), 403)


def test_a_model_is_loaded_before_anybody_asks(model: int, visitor: httpx.Client) -> None:
    until(lambda: model in visitor.get("/inference/models").json()["models"])
    found = visitor.get("/inference/models").json()
    assert found["count"] == len(found["models"])
    health = visitor.get("/inference/health").json()
    assert health["status"] == "healthy"
    assert health["loaded_models"] >= 1


def test_a_prediction_names_items_not_seen_best_first(owner: Tenant, model: int) -> None:
    answer = predict(owner, f"{model}", user_id="u1", cutoff=5)
    assert answer.status_code == 200
    body = answer.json()
    assert body["model_id"] == model
    assert UUID(body["request_id"]).version == 4
    scores = [item["score"] for item in body["items"]]
    assert scores == sorted(scores, reverse=True)
    assert 0 < len(scores) <= 5
    seen = {f"i{n}" for n in range(1, 11)}
    assert not seen & {item["item_id"] for item in body["items"]}


def test_an_unknown_user_is_not_found_alone_and_empty_in_a_batch(owner: Tenant, model: int) -> None:
    alone = predict(owner, f"{model}", user_id="nobody")
    assert is_problem(alone, 404)
    assert alone.json()["detail"] == "User 'nobody' not found in model"
    batch = predict(owner, f"{model}/batch", user_ids=["u2", "nobody", "u1"], cutoff=3)
    results = batch.json()["results"]
    assert [bool(each["items"]) for each in results] == [True, False, True]
    assert results[2]["items"] == predict(owner, f"{model}", user_id="u1", cutoff=3).json()["items"]
    assert predict(owner, f"{model}/batch", user_ids=[]).json()["results"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"user_id": 7}),
        ("", {}),
        ("", {"user_id": "u1", "cutoff": 0}),
        ("", {"user_id": "u1", "cutoff": 1001}),
        ("", {"user_id": "u1", "cutoff": "5"}),
        ("/batch", {"user_ids": "u1"}),
        ("/batch", {"user_ids": [1]}),
        ("/batch", {"user_ids": ["u"] * 101}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_unsound_question_is_refused_with_422(
    path: str, body: dict[str, object], owner: Tenant, model: int
) -> None:
    answer = predict(owner, f"{model}{path}", **body)
    assert answer.status_code in ({422, 400} if len(str(body)) > 200 else {422})
    assert isinstance(answer.json()["detail"], str)


def test_what_is_no_json_is_malformed(owner: Tenant, model: int) -> None:
    answer = owner.key_client.post(
        f"/inference/predict/{model}",
        content=b"{",
        headers={"Content-Type": "application/json"},
    )
    assert is_problem(answer, 400)


def test_a_model_that_was_never_there_is_not_found(owner: Tenant) -> None:
    for number in ("999999", "0", "-1", "x", "9" * 30):
        assert is_problem(predict(owner, number, user_id="u1"), 404)


def test_a_project_answers_through_its_slots(owner: Tenant, model: int) -> None:
    assert is_problem(predict(owner, f"project/{owner.project}", user_id="u1"), 404)
    made = slot(owner, model, name="main", weight=100)
    answer = predict(owner, f"project/{owner.project}", user_id="u1").raise_for_status().json()
    assert (answer["slot_id"], answer["slot_name"], answer["model_id"]) == (made, "main", model)
    owner.client.patch(f"/api/v1/deployment_slot/{made}/", json={"is_active": False})
    until(lambda: predict(owner, f"project/{owner.project}", user_id="u1").status_code == 404)


def test_traffic_follows_the_weights(owner: Tenant, model: int) -> None:
    idle = slot(owner, model, name="idle", weight=0)
    busy = slot(owner, model, name="busy", weight=70)
    path = f"project/{owner.project}"
    until(lambda: predict(owner, path, user_id="u1").json().get("slot_id") == busy)
    drawn = {predict(owner, path, user_id=f"u{n % 12}").json()["slot_id"] for n in range(30)}
    assert drawn == {busy}
    owner.client.patch(f"/api/v1/deployment_slot/{idle}/", json={"weight": 70})
    until(lambda: predict(owner, path, user_id="u1").json()["slot_id"] == idle)


def test_another_tenants_slots_do_not_answer(
    owner: Tenant, new_tenant: Callable[[], Tenant]
) -> None:
    stranger = new_tenant()
    foreign = predict(stranger, f"project/{owner.project}", user_id="u1")
    absent = predict(stranger, "project/999999", user_id="u1")
    assert is_problem(foreign, 404)
    assert foreign.json()["detail"] == absent.json()["detail"]


def test_a_model_is_tried_out_and_taken_away_at_its_management_paths(
    owner: Tenant, model: int, bystander: Tenant
) -> None:
    path = f"/api/v1/trained_model/{model}"
    found = owner.client.get(f"{path}/recommendation/", params={"user_id": "u1", "cutoff": 5})
    predicted = predict(owner, f"{model}", user_id="u1", cutoff=5).json()["items"]
    assert found.raise_for_status().json() == predicted
    shown = owner.client.get(f"{path}/sample_recommendation_raw/").raise_for_status().json()
    assert shown["user_profile"]
    liked = owner.client.post(
        f"{path}/recommend_using_profile_interaction/", json={"item_ids": ["i1"], "cutoff": 3}
    )
    assert len(liked.raise_for_status().json()["recommendations"]) == 3
    file = owner.client.get(f"{path}/download_file/").raise_for_status()
    with ZipFile(BytesIO(file.content)) as archive:
        assert "manifest.json" in archive.namelist()
    for action in ("recommendation/?user_id=u1", "sample_recommendation_raw/", "download_file/"):
        assert is_problem(bystander.client.get(f"{path}/{action}"), 404)
    assert is_problem(bystander.client.delete(f"{path}/unlink_file/"), 404)
