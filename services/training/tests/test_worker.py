"""The real worker on a small table, by itself and in the hands of the service."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from chassis.blobs import Blob, BlobDamaged, Blobs, open_blobs
from chassis.compute import Compute, open_compute
from chassis.compute.child import Reporter
from chassis.testing import ADMIN, TENANT, Bench, on_the_bench, write_keys
from contracts.artefact import MANIFEST_NAME, Manifest, file_digest
from contracts.models import ModelReady
from training import app
from training.settings import TrainingSettings
from training.tests.standins import (
    data_changed,
    know,
    posted,
    project_changed,
    runner_of,
    until,
)
from training.worker import Worker


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingSettings:
    """Settings that a worker finds in its environment, keys made."""
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    # Two tests' workers must not tread on each other's temporary files.
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    write_keys(tmp_path / "keys")
    return TrainingSettings(training_heartbeat_seconds=0.2)


@pytest.fixture
async def blobs(settings: TrainingSettings) -> AsyncIterator[Blobs]:
    """The blob store that service and worker share."""
    async with open_blobs(settings.blobs()) as store:
        yield store


@pytest.fixture
async def compute() -> AsyncIterator[Compute]:
    """Real child processes."""
    async with open_compute("process://?workers=2", threads=1) as processes:
        yield processes


@pytest.fixture
async def table(blobs: Blobs, tmp_path: Path) -> Blob:
    """Forty people who like one of two groups of items, as catalog normalises an upload."""
    told = [
        (f"user-{user}", f"item-{8 * (user % 2) + (user + place) % 8}", 1_000_000 * place)
        for user in range(40)
        for place in range(6)
    ]
    users, items, times = zip(*told, strict=True)
    moments = pa.array(times, pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"u": users, "i": items, "t": moments}), tmp_path / "table.parquet")
    return await blobs.put(f"{TENANT}/data/1.parquet", tmp_path / "table.parquet")


def order(table: Blob, **others: Any) -> dict[str, Any]:
    """Return what a worker is told."""
    return {
        "kind": "train",
        "job": "job-uid",
        "learner": "CosineKNNRecommender",
        "parameters": {"top_k": 10},
        "data": {"key": table.key, "digest": table.digest, "user": "u", "item": "i", "time": "t"},
        "artefact": f"{TENANT}/models/model-uid/1",
        **others,
    }


@dataclass(frozen=True)
class Ending:
    """What a worker said, and what came of its work."""

    result: Mapping[str, Any]
    fractions: Sequence[float]
    said: Sequence[str]


CarriedOut = Callable[[Mapping[str, Any]], Awaitable[Ending]]


@pytest.fixture
def carried_out(settings: TrainingSettings, blobs: Blobs, tmp_path: Path) -> CarriedOut:
    """Do a worker's work, in this process for speed."""

    async def carry_out(spec: Mapping[str, Any]) -> Ending:
        heard = BytesIO()
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        worker = Worker(
            spec, blobs=blobs, settings=settings, reporter=Reporter(heard), folder=folder
        )
        result = await asyncio.to_thread(worker.work)
        lines = [json.loads(line) for line in heard.getvalue().splitlines()]
        return Ending(
            result, [line["fraction"] for line in lines], [line["message"] for line in lines]
        )

    return carry_out


async def test_a_model_is_learnt_signed_and_stored(
    carried_out: CarriedOut, blobs: Blobs, table: Blob, settings: TrainingSettings
) -> None:
    ending = await carried_out(order(table))
    result = ending.result
    manifest = Manifest.model_validate_json(await blobs.get(f"{result['key']}/{MANIFEST_NAME}"))
    assert manifest.digest == result["digest"]
    assert (result["learner"], result["rows"]) == ("CosineKNNRecommender", 240)
    for name, expected in manifest.files.items():
        assert file_digest(await blobs.get(f"{result['key']}/{name}")) == expected
    public: Any = load_pem_public_key(settings.key_file("artefact.pub.pem").read_bytes())
    public.verify(bytes.fromhex(manifest.signature), manifest.canonical_bytes())
    assert list(ending.fractions) == sorted(ending.fractions)
    assert 0.0 <= ending.fractions[0] <= ending.fractions[-1] < 1.0


async def test_the_same_data_parameters_and_seed_give_the_same_artefact(
    carried_out: CarriedOut, table: Blob
) -> None:
    first = await carried_out(order(table))
    second = await carried_out(order(table, artefact=f"{TENANT}/models/other-uid/1"))
    other = await carried_out(order(table, parameters={"top_k": 3}))
    assert first.result["digest"] == second.result["digest"] != other.result["digest"]


async def test_a_table_that_is_not_what_was_promised_is_not_learnt_from(
    carried_out: CarriedOut, blobs: Blobs, table: Blob
) -> None:
    spec = order(table)
    spec["data"] = spec["data"] | {"digest": "0" * 64}
    with pytest.raises(BlobDamaged):
        await carried_out(spec)
    assert await blobs.keys(f"{TENANT}/models/") == []


async def test_a_table_without_the_columns_is_refused_with_the_reason(
    carried_out: CarriedOut, table: Blob
) -> None:
    spec = order(table)
    spec["data"] = spec["data"] | {"user": "nobody"}
    assert "'nobody'" in (await carried_out(spec)).result["refused"]


async def test_a_project_without_times_is_learnt_too(carried_out: CarriedOut, table: Blob) -> None:
    spec = order(table)
    spec["data"] = spec["data"] | {"time": None}
    assert (await carried_out(spec)).result["metrics"]["beats_popularity"] is True


def search(table: Blob, *, seconds: int | None = None) -> dict[str, Any]:
    """Return the specification of a search whose trials may each take so long."""
    tuning = {
        "algorithms": ["TopPop", "CosineKNNRecommender", "Unheard"],
        "n_trials": 3,
        "timeout_overall": None,
        "timeout_singlestep": seconds,
        "memory_budget": 8000,
        "parallel": 1,
        "seed": 1,
    }
    split = {
        "scheme": "RG",
        "heldout_ratio": 0.3,
        "n_heldout": None,
        "test_user_ratio": 1.0,
        "n_test_users": None,
        "seed": 42,
    }
    judged = {"metric": "ndcg", "cutoff": 5}
    spec = order(table, kind="tune", learner="collaborative", parameters={}, search_id=7)
    return spec | {"tuning": tuning, "split": split, "evaluation": judged}


async def test_a_search_returns_the_best_it_found(carried_out: CarriedOut, table: Blob) -> None:
    ending = await carried_out(search(table))
    assert ending.result["learner"] == "CosineKNNRecommender"
    assert 0 < ending.result["score"] <= 1
    assert ending.said[0] == "Start job 7 / worker 0."
    assert ending.said[-1] == "Job 7 complete."
    assert any(line.startswith("Trial 0 with ") for line in ending.said)
    assert any(line.startswith("Found best configuration: ") for line in ending.said)


async def test_a_worker_limits_trials_in_processes_of_their_own(
    compute: Compute, table: Blob
) -> None:
    work_id = await compute.submit("training.worker", search(table, seconds=60))
    reports = [report async for report in compute.reports(work_id)]
    assert reports[-1].body["learner"] == "CosineKNNRecommender", reports[-1]


async def test_a_cancelled_worker_ends_and_cleans_up(
    compute: Compute, table: Blob, tmp_path: Path
) -> None:
    endless = order(table, learner="IALSRecommender", parameters={"train_epochs": 1000})
    endless["parameters"] |= {"n_components": 512}
    work_id = await compute.submit("training.worker", endless)
    async for report in compute.reports(work_id):
        if "Read" in report.body["message"]:
            break
    assert list((tmp_path / "tmp").glob("millrace-work-*"))
    await compute.cancel(work_id)
    assert (await compute.status(work_id)).state == "cancelled"
    assert list((tmp_path / "tmp").glob("millrace-work-*")) == []


def test_a_worker_loads_no_torch_unless_it_needs_it() -> None:
    code = "import sys, training.worker, training.learners; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
async def bench(settings: TrainingSettings) -> AsyncIterator[Bench]:
    """The service with real workers, which may not stand still for long."""
    impatient = settings.model_copy(update={"training_silence_seconds": 3.0})
    async with on_the_bench(app.build(impatient)) as bench:
        yield bench
        await bench.app.state.runner.stop()


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
async def test_a_worker_that_is_gone_is_replaced_and_the_model_comes(
    bench: Bench, table: Blob, blow: signal.Signals
) -> None:
    client, model = await _requested(bench, table)
    before = _grandchildren()
    running = asyncio.create_task(runner_of(bench).run())
    try:
        await until(lambda: _grandchildren() - before, seconds=60)
        for worker in _grandchildren() - before:
            os.kill(worker, blow)
        path = f"/api/v1/trained_model/{model['id']}/"
        async with asyncio.timeout(60):
            while not await bench.emitted(ModelReady):
                await client.get(path)
        task = (await client.get(path)).json()["task_links"][0]["task"]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert task["status"] == "SUCCESS"
    logs = (await client.get(f"/api/v1/task_log/?model_id={model['id']}")).json()["results"]
    assert any("Attempt 2 of 4 follows." in line["contents"] for line in logs)
    [ready] = await bench.emitted(ModelReady)
    assert ready.learner == "TopPopRecommender"


async def test_a_job_whose_data_was_deleted_under_it_fails_with_the_reason(
    bench: Bench, blobs: Blobs, table: Blob
) -> None:
    client, model = await _requested(bench, table)
    await blobs.delete(table.key)
    running = asyncio.create_task(runner_of(bench).run())
    path = f"/api/v1/trained_model/{model['id']}/"
    try:
        async with asyncio.timeout(60):
            task = await _task(client, path)
            while not task["date_done"]:
                task = await _task(client, path)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert (task["status"], task["traceback"]) == ("FAILURE", "the data has been deleted")


async def _task(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(path)).json()["task_links"][0]["task"]
    return found


async def _requested(bench: Bench, table: Blob) -> tuple[httpx.AsyncClient, dict[str, Any]]:
    """Ask for a model that is learnt from the table."""
    file = data_changed(5, 1).model_copy(
        update={"table_key": table.key, "table_digest": table.digest}
    )
    await know(bench, project_changed(1), file)
    client = bench.as_caller(ADMIN)
    configuration = await posted(
        client,
        "/api/v1/model_configuration/",
        project=1,
        recommender_class_name="TopPopRecommender",
    )
    model = await posted(
        client, "/api/v1/trained_model/", configuration=configuration["id"], data_loc=5
    )
    return client, model


def _grandchildren() -> set[int]:
    """Return the processes that were forked by what this process started."""
    return {worker for child in _children(os.getpid()) for worker in _children(child)}


def _children(pid: int) -> set[int]:
    with contextlib.suppress(OSError):  # ended meanwhile
        path = Path(f"/proc/{pid}/task/{pid}/children")
        return {int(text) for text in path.read_text().split()}
    return set()
