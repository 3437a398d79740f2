"""From an uploaded table to a served model, retrained and swapped while people ask."""

import asyncio
import json
import os
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import httpx
from confluent_kafka import Consumer, Producer

from chassis.blobs import open_blobs
from chassis.settings import Settings
from contracts.artefact import MANIFEST_NAME, Manifest
from tests import local
from tests.e2e.conftest import Tenant
from tests.e2e.journey import (
    TRAINING_LIMIT,
    configured,
    interact,
    is_problem,
    requested,
    slot,
    state_of,
    table,
    trained,
    uploaded,
)
from tests.running import RunningStack, until


def predict(tenant: Tenant, model: int, user: str = "u1") -> httpx.Response:
    path = f"/inference/predict/{model}"
    return tenant.key_client.post(path, json={"user_id": user, "cutoff": 5})


def test_a_stranger_cannot_train(visitor: httpx.Client) -> None:
    assert is_problem(visitor.post("/api/v1/trained_model/", json={}), 401)


def test_another_tenants_data_and_configuration_cannot_be_trained_on(
    new_tenant: Callable[[], Tenant],
) -> None:
    one, other = new_tenant(), new_tenant()
    data, configuration = uploaded(one, table()), configured(one)
    own = {"configuration": configured(other), "data_loc": uploaded(other, table())}
    for foreign in ({"configuration": configuration}, {"data_loc": data}):
        answer = other.client.post("/api/v1/trained_model/", json=own | foreign)
        absent = dict.fromkeys(foreign, 999_999)
        told = other.client.post("/api/v1/trained_model/", json=own | absent)
        assert is_problem(answer, 400)
        assert set(answer.json()) == set(told.json())
    assert other.client.get("/api/v1/trained_model/").json()["count"] == 0


def test_from_a_table_to_a_prediction_and_away_again(tenant: Tenant) -> None:
    model = requested(tenant, configuration=configured(tenant), data=uploaded(tenant, table()))
    found = state_of(tenant, model)
    assert {"id", "configuration", "data_loc", "file", "task_links"} <= set(found)
    until(lambda: state_of(tenant, model)["filesize"], within=TRAINING_LIMIT)
    done = state_of(tenant, model)
    assert done["basename"]
    assert [link["task"]["status"] for link in done["task_links"]] == ["SUCCESS"]
    assert until(lambda: predict(tenant, model).status_code == 200)
    assert tenant.client.delete(f"/api/v1/trained_model/{model}/").status_code == 204
    assert is_problem(tenant.client.get(f"/api/v1/trained_model/{model}/"), 404)
    until(lambda: predict(tenant, model).status_code == 404)


def test_the_same_data_parameters_and_seed_make_the_same_model(tenant: Tenant) -> None:
    data, configuration = uploaded(tenant, table()), configured(tenant, "CosineKNNRecommender")
    one, two = (trained(tenant, configuration=configuration, data=data) for _ in range(2))
    assert predict(tenant, one).json()["items"] == predict(tenant, two).json()["items"]
    assert state_of(tenant, one)["filesize"] == state_of(tenant, two)["filesize"]


def test_parameters_that_no_learner_takes_are_refused_before_anything_is_learnt(
    bystander: Tenant,
) -> None:
    body = {
        "project": bystander.project,
        "recommender_class_name": "IALSRecommender",
        "parameters_json": {"n_components": "many"},
    }
    answer = bystander.client.post("/api/v1/model_configuration/", json=body)
    assert is_problem(answer, 400)
    assert "n_components" in answer.json()["parameters_json"][0]


class Asking:
    """Somebody who never stops asking, and notes every answer."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers: list[tuple[int, str]] = []

    def __enter__(self) -> "Asking":
        self._thread.start()
        until(lambda: self.answers)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        headers = {"X-API-Key": self._tenant.api_key}
        body = {"userId": "u1", "count": 5, "algorithm": "collaborative"}
        with local.Client(base_url=self._tenant.client.base_url, headers=headers) as client:
            while not self._stop.is_set():
                answer = client.post("/api/v1/recommend", json=body)
                version = answer.headers.get("Millrace-Model", "")
                self.answers.append((answer.status_code, version))

    @property
    def versions(self) -> list[str]:
        """Return the versions in the order in which they first answered."""
        return list(dict.fromkeys(version for _, version in self.answers))


def test_a_retrained_model_is_swapped_in_without_a_failure(tenant: Tenant) -> None:
    pairs = [(f"u{n % 12}", f"i{n % 12 + n // 12}") for n in range(120)]
    interact(tenant, pairs)
    until(lambda: version_of(tenant), within=TRAINING_LIMIT)
    path = "/api/v1/algorithms/collaborative/train"
    with Asking(tenant) as asking:
        assert tenant.client.post(path).status_code == 202
        until(lambda: len(asking.versions) >= 2, within=TRAINING_LIMIT)
    assert {status for status, _ in asking.answers} == {200}
    versions = [version for _, version in asking.answers]
    changes = sum(one != two for one, two in pairwise(versions))
    assert changes == len(asking.versions) - 1  # nobody went back to an earlier version


def test_a_slot_moves_to_another_model_without_a_failure(tenant: Tenant) -> None:
    data = uploaded(tenant, table())
    models = [trained(tenant, configuration=configured(tenant), data=data) for _ in range(2)]
    made = slot(tenant, models[0], name="main")
    path = f"/inference/predict/project/{tenant.project}"
    answers: list[httpx.Response] = []

    def moved() -> bool:
        answers.append(tenant.key_client.post(path, json={"user_id": "u1"}))
        return bool(answers[-1].json().get("model_id") == models[1])

    assert not moved()
    change = {"trained_model": models[1]}
    tenant.client.patch(f"/api/v1/deployment_slot/{made}/", json=change).raise_for_status()
    until(moved, every=0.01)
    assert {answer.status_code for answer in answers} == {200}


def test_a_tampered_artefact_is_refused_and_the_old_one_keeps_serving(
    stack: RunningStack, tenant: Tenant
) -> None:
    interact(tenant, [(f"u{n % 12}", f"i{n % 12 + n // 12}") for n in range(120)])
    before = until(lambda: version_of(tenant), within=TRAINING_LIMIT)
    me = tenant.client.get("/api/v1/auth/user/").json()["tenantId"]
    with Listening(stack.kafka, "model-ready.v1", "model-ready.v1.dead") as listening:
        announced = listening.first(
            lambda event: event["tenant_id"] == me and event["algorithm"] == "collaborative"
        )
        number = announced["model_id"] + 1_000_000
        forged = announced | {
            "event_id": f"forged:{number}",
            "model_id": number,
            "version": "forged",
            **asyncio.run(tampered(stack, announced["artefact_key"])),
        }
        producer = Producer({"bootstrap.servers": stack.kafka})
        value = json.dumps(forged).encode()
        producer.produce("model-ready.v1", value, key=f"{me}:{number}".encode())
        assert producer.flush(20) == 0
        dead = listening.first(lambda event: event["event_id"] == f"refused:{number}")
    assert dead["metrics"]["refused"]
    assert version_of(tenant) == before
    assert is_problem(predict(tenant, number), 409)


def version_of(tenant: Tenant) -> str | None:
    """Return the version that answers for `collaborative`, None while only popularity does."""
    body = {"userId": "u1", "count": 5, "algorithm": "collaborative"}
    answer = tenant.key_client.post("/api/v1/recommend", json=body).raise_for_status()
    version = answer.headers["Millrace-Model"]
    return None if version == "popularity" else version


async def tampered(stack: RunningStack, key: str) -> dict[str, str]:
    """Copy an artefact, change what its manifest says, and return how one would announce it."""
    copy = f"{key}-tampered"
    with patch.dict(os.environ, stack.environment_of("training")):  # with the keys to the store
        async with open_blobs(Settings().blobs()) as blobs:
            for name in await blobs.keys(f"{key}/"):
                await blobs.put(name.replace(key, copy, 1), await blobs.get(name))
            written = await blobs.get(f"{key}/{MANIFEST_NAME}")
            changed = Manifest.model_validate_json(written).model_copy(
                update={"data_digest": "0" * 64}
            )
            await blobs.put(f"{copy}/{MANIFEST_NAME}", changed.to_bytes())
    return {"artefact_key": copy, "artefact_digest": changed.digest}


class Listening:
    """A reader of topics from their beginning."""

    def __init__(self, kafka: str, *topics: str) -> None:
        settings = {"group.id": uuid4().hex, "auto.offset.reset": "earliest"}
        self._consumer = Consumer({"bootstrap.servers": kafka, **settings})
        self._consumer.subscribe(list(topics))

    def __enter__(self) -> "Listening":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def first(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first event that is wanted."""
        return until(lambda: self._next(wanted), within=60, every=0.01)

    def _next(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        record = self._consumer.poll(0.2)
        if record is None or record.error() is not None or record.value() is None:
            return None
        event: dict[str, Any] = json.loads(record.value() or b"{}")
        return event if event.get("type") == "ModelReady" and wanted(event) else None
