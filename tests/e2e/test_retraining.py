"""A schedule that retunes, whose data goes away while its search is at work."""

from typing import Any

import httpx

from tests.e2e.conftest import Tenant
from tests.e2e.journey import is_problem, table, uploaded
from tests.running import until


def test_a_stranger_cannot_retrain(visitor: httpx.Client) -> None:
    assert is_problem(visitor.post("/api/v1/retraining_schedule/1/trigger/"), 401)
    assert is_problem(visitor.get("/api/v1/retraining_run/"), 401)


def test_a_run_whose_data_is_unlinked_ends_and_the_next_one_runs(tenant: Tenant) -> None:
    client, data = tenant.client, uploaded(tenant, table())

    def made(resource: str, **body: Any) -> int:
        answer = client.post(f"/api/v1/{resource}/", json=body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    recipe = {name: made(name) for name in ("split_config", "evaluation_config")}
    schedule = made(
        "retraining_schedule", project=tenant.project, is_enabled=True, retune=True, **recipe
    )
    path = f"/api/v1/retraining_schedule/{schedule}/"

    def triggered() -> str:
        run = client.post(f"{path}trigger/").raise_for_status().json()["run"]
        return f"/api/v1/retraining_run/{run}/"

    def ended(run: str) -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(run).raise_for_status().json()
        return None if found["status"] == "RUNNING" else found

    def begun() -> str | None:
        run = triggered()
        found = client.get(run).raise_for_status().json()
        if found["status"] == "SKIPPED":  # training has not heard of the new file yet
            assert found["error_message"] == "No training data"
            return None
        return run

    first = until(begun)
    client.delete(f"/api/v1/training_data/{data}/unlink_file/").raise_for_status()
    found = until(lambda: ended(first), within=60)
    assert (found["status"], found["error_message"]) == ("FAILED", f"Data {data} was unlinked.")
    assert found["completed_at"] is not None
    assert client.get(path).json()["last_run_status"] == "FAILED"
    search = client.get(f"/api/v1/parameter_tuning_job/{found['tuning_job']}/").json()
    task = search["task_links"][0]["task"]
    assert (task["status"], task["traceback"]) == ("FAILURE", f"Data {data} was unlinked.")

    uploaded(tenant, table(rows=100))
    second = until(begun)
    search_id = client.get(second).json()["tuning_job"]
    client.delete(f"/api/v1/parameter_tuning_job/{search_id}/").raise_for_status()
    found = until(lambda: ended(second), within=60)
    assert found["error_message"] == "The parameter tuning job was deleted."
    assert client.delete(path).status_code == 204
