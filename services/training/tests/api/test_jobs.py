"""`/api/v1/jobs`: every job of every surface, this service's own or told of by inference."""

import asyncio
from typing import Any

import pytest

from chassis.testing import ADMIN, OTHER_TENANT, STRANGER, TENANT, Bench, key_of
from contracts.generations import GenerationChanged
from training.tests.standins import MOMENT, requested

UID = "0b0e8f4a-6a0e-4a7e-9f43-5a9d1f1f3d11"
PATH = f"/api/v1/jobs/{UID}"


def generation(state: Any = "running", *, tenant_id: str = TENANT, **others: Any) -> Any:
    told = {"progress": 0.25, "users_served": 50, **others}
    return GenerationChanged(
        tenant_id=tenant_id,
        occurred_at=MOMENT,
        job_uid=UID,
        state=state,
        requested_at=MOMENT,
        **told,
    )


@pytest.mark.parametrize(("method", "path"), [("GET", PATH), ("POST", f"{PATH}/cancel")])
async def test_a_stranger_is_refused(bench: Bench, method: str, path: str) -> None:
    assert (await bench.as_caller(None).request(method, path)).status_code == 401


@pytest.mark.parametrize(("method", "path"), [("GET", PATH), ("POST", f"{PATH}/cancel")])
async def test_another_tenants_job_is_none(
    bench: Bench, no_patience: None, method: str, path: str
) -> None:
    await bench.deliver(generation())
    answer = await bench.as_caller(STRANGER).request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (404, "JOB_NOT_FOUND")


async def test_a_generation_is_followed_to_its_end(bench: Bench) -> None:
    client = bench.as_caller(key_of("read"))
    expected = {"job_id": UID, "kind": "recommendations", "result": None, "error": None}
    await bench.deliver(generation())
    answer = (await client.get(PATH)).json()
    assert answer == expected | {"status": "running", "progress": 0.25}
    await bench.deliver(generation(error="The store of histories is away; try again."))
    assert (await client.get(PATH)).json()["error"].startswith("The store")
    await bench.deliver(generation("completed", progress=1.0, users_served=200))
    answer = (await client.get(PATH)).json()
    assert answer == expected | {
        "status": "completed",
        "progress": 1.0,
        "result": {"users": 200},
    }


async def test_a_generation_that_failed_says_why(bench: Bench) -> None:
    await bench.deliver(generation("failed", error="A model is being loaded; try again."))
    answer = (await bench.as_caller(ADMIN).get(PATH)).json()
    assert (answer["status"], answer["error"]) == ("failed", "A model is being loaded; try again.")


async def test_a_generation_is_not_cancelled_and_goes_on(bench: Bench) -> None:
    await bench.deliver(generation())
    client = bench.as_caller(ADMIN)
    answer = await client.post(f"{PATH}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    assert "cannot be cancelled" in answer.json()["detail"]
    assert (await client.get(PATH)).json()["status"] == "running"


async def test_a_job_whose_announcement_is_on_its_way_is_waited_for(bench: Bench) -> None:
    asked = asyncio.create_task(bench.as_caller(ADMIN).get(PATH))
    await asyncio.sleep(0)
    await bench.deliver(generation())
    assert (await asked).json()["status"] == "running"


@pytest.mark.parametrize("job", ["x", "1", UID.upper(), "%00", "é"])
async def test_what_is_no_id_is_no_job(bench: Bench, no_patience: None, job: str) -> None:
    answer = await bench.as_caller(ADMIN).get(f"/api/v1/jobs/{job}")
    assert (answer.status_code, answer.json()["code"]) == (404, "JOB_NOT_FOUND")


async def test_a_key_bound_to_another_project_sees_no_job_of_this_one(bench: Bench) -> None:
    model = await requested(bench)
    uid = model["task_links"][0]["task"]["task_id"]
    bound = key_of("read", "write", project=2)
    for method, path in (("GET", uid), ("POST", f"{uid}/cancel")):
        answer = await bench.as_caller(bound).request(method, f"/api/v1/jobs/{path}")
        assert answer.status_code == 404
    assert (await bench.as_caller(ADMIN).get(f"/api/v1/jobs/{uid}")).json()["kind"] == "train"


async def test_another_tenants_word_of_a_job_is_that_tenants_alone(
    bench: Bench, no_patience: None
) -> None:
    await bench.deliver(generation(tenant_id=OTHER_TENANT))
    assert (await bench.as_caller(ADMIN).get(PATH)).status_code == 404
    assert (await bench.as_caller(STRANGER).get(PATH)).status_code == 200
