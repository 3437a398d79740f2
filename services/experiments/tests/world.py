"""The world that tests of experiments begin with, and how to make things in it."""

from datetime import UTC, datetime
from typing import Any

import httpx

from chassis.testing import TENANT
from contracts.catalog import ProjectChanged
from contracts.models import ModelReady

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


def project(project_id: int, tenant_id: str = TENANT) -> ProjectChanged:
    """Return catalog's word of a project."""
    return ProjectChanged(
        tenant_id=tenant_id,
        occurred_at=NOW,
        project_id=project_id,
        name=f"project {project_id}",
        is_default=False,
        user_column="u",
        item_column="i",
    )


def model(
    model_id: int, project_id: int | None, tenant_id: str = TENANT, **rest: Any
) -> ModelReady:
    """Return training's word of a model."""
    return ModelReady(
        tenant_id=tenant_id,
        occurred_at=NOW,
        model_id=model_id,
        model_uid=f"uid-{model_id}",
        project_id=project_id,
        version=f"1.0.{model_id}",
        learner="TopPopRecommender",
        artefact_key=f"models/{model_id}",
        artefact_digest="00",
        artefact_bytes=1,
        interactions_seen=1,
        **rest,
    )


async def made(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    """Create something and return it."""
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def a_slot(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """Return a slot of project 1, or as told."""
    told = {"project": 1, "name": "slot", "trained_model": 11} | body
    return await made(client, "/api/v1/deployment_slot/", **told)


async def a_test(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """Return a draft between two new slots of project 1, or as told."""
    told = {"project": 1, "name": "test"} | body
    for arm in ("control_slot", "variant_slot"):
        if arm not in told:
            told[arm] = (await a_slot(client, name=arm))["id"]
    return await made(client, "/api/v1/ab_test/", **told)


async def a_running_test(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """Return a test that was started."""
    test = await a_test(client, **body)
    answer = await client.post(f"/api/v1/ab_test/{test['id']}/start/")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def results(client: httpx.AsyncClient, test: dict[str, Any]) -> dict[str, Any]:
    """Return what a test's counts say."""
    answer = await client.get(f"/api/v1/ab_test/{test['id']}/results/")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
