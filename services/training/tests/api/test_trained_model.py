"""`/api/v1/trained_model`, `/api/v1/task_log` and references that may still be on their way."""

import asyncio
import io
from typing import Any
from zipfile import ZipFile

import pytest

from chassis.blobs import open_blobs
from chassis.testing import ADMIN, STRANGER, TENANT, Bench, key_of
from contracts.models import ModelReady, ModelRetired
from training.tests.standins import (
    FakeCompute,
    configured,
    data_changed,
    know,
    loaded,
    posted,
    progress,
    project_changed,
    refused,
    requested,
    result,
    run_everything,
)

MODELS, LOGS = "/api/v1/trained_model/", "/api/v1/task_log/"


@pytest.mark.parametrize("path", [MODELS, LOGS, f"{MODELS}1/", f"{LOGS}1/"])
async def test_a_stranger_is_refused(bench: Bench, path: str) -> None:
    assert (await bench.as_caller(None).get(path)).status_code == 401


async def test_another_tenant_sees_neither_model_nor_log(
    bench: Bench, compute: FakeCompute
) -> None:
    compute.play(progress(0.5, "half way"), result())
    model = await requested(bench)
    await run_everything(bench)
    line = (await bench.as_caller(ADMIN).get(LOGS)).json()["results"][0]
    other = bench.as_caller(STRANGER)
    assert (await other.get(MODELS)).json()["count"] == 0
    assert (await other.get(LOGS)).json()["count"] == 0
    for path in (f"{MODELS}{model['id']}/", f"{LOGS}{line['id']}/"):
        assert (await other.get(path)).status_code == 404
    assert (await other.delete(f"{MODELS}{model['id']}/")).status_code == 404
    assert await bench.emitted(ModelRetired) == []


async def test_another_tenants_things_can_not_be_named(bench: Bench, no_patience: None) -> None:
    model = await requested(bench)
    await know(bench, project_changed(3, STRANGER.tenant_id))
    await know(bench, data_changed(7, 3, STRANGER.tenant_id))
    other = bench.as_caller(STRANGER)
    own = await posted(
        other,
        "/api/v1/model_configuration/",
        project=3,
        recommender_class_name="TopPopRecommender",
    )
    theirs: dict[str, Any] = {"configuration": model["configuration"], "data_loc": 7}
    answer = await other.post(MODELS, json=theirs)
    assert answer.json()["configuration"] == [
        f'Invalid pk "{model["configuration"]}" - object does not exist.'
    ]
    answer = await other.post(MODELS, json={"configuration": own["id"], "data_loc": 5})
    assert answer.json()["data_loc"] == ['Invalid pk "5" - object does not exist.']


async def test_a_fact_on_its_way_is_waited_for(bench: Bench) -> None:
    made = await configured(bench)
    body = {"configuration": made["id"], "data_loc": 6}
    asked = asyncio.create_task(bench.as_caller(ADMIN).post(MODELS, json=body))
    await asyncio.sleep(0)
    await know(bench, data_changed(6, 1))
    assert (await asked).status_code == 201


async def test_a_model_says_whether_inference_serves_it(bench: Bench, compute: FakeCompute) -> None:
    compute.play(result())
    model = await requested(bench)
    client = bench.as_caller(ADMIN)

    async def told() -> tuple[str, str | None]:
        one = (await client.get(f"{MODELS}{model['id']}/")).json()
        [listed] = (await client.get(MODELS)).json()["results"]
        assert listed == one
        return one["status"], one["refusal"]

    assert await told() == ("untrained", None)
    await run_everything(bench)
    assert await told() == ("trained", None)
    [ready] = await bench.emitted(ModelReady)
    await bench.deliver(loaded(ready))
    assert await told() == ("served", None)
    await bench.deliver(refused(ready, "the manifest cannot be read"))
    assert await told() == ("refused", "the manifest cannot be read")
    await bench.deliver(loaded(ready))
    assert await told() == ("served", None)
    await client.delete(f"{MODELS}{model['id']}/unlink_file/")
    assert await told() == ("unlinked", None)


async def test_configuration_and_data_are_of_one_project(bench: Bench) -> None:
    made = await configured(bench)
    await know(bench, project_changed(2), data_changed(6, 2))
    answer = await bench.as_caller(ADMIN).post(
        MODELS, json={"configuration": made["id"], "data_loc": 6}
    )
    assert answer.status_code == 400
    assert answer.json()["configuration"] == [
        "Model configuration must belong to the same project as the training data."
    ]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({}, "configuration", "This field is required."),
        ({"configuration": "x", "data_loc": 5}, "configuration", "A valid integer is required."),
        ({"configuration": 1, "data_loc": None}, "data_loc", "This field may not be null."),
    ],
)
async def test_bad_bodies_are_named(
    bench: Bench, body: dict[str, Any], field: str, message: str
) -> None:
    answer = await bench.as_caller(ADMIN).post(MODELS, json=body)
    assert (answer.status_code, answer.json()[field]) == (400, [message])


async def test_models_are_filtered_by_all_four(bench: Bench) -> None:
    first = await requested(bench)
    await know(bench, project_changed(2), data_changed(6, 2))
    client = bench.as_caller(ADMIN)
    other = await posted(
        client,
        "/api/v1/model_configuration/",
        project=2,
        recommender_class_name="TopPopRecommender",
    )
    second = await posted(client, MODELS, configuration=other["id"], data_loc=6)
    for query, expected in (
        ("", [second["id"], first["id"]]),
        (f"id={first['id']}", [first["id"]]),
        ("data_loc=6", [second["id"]]),
        ("data_loc__project=1", [first["id"]]),
        (f"configuration={other['id']}", [second["id"]]),
        ("data_loc=999", []),
    ):
        rows = (await client.get(f"{MODELS}?{query}")).json()["results"]
        assert [row["id"] for row in rows] == expected, query
    key = bench.as_caller(key_of("read", project=2))
    rows = (await key.get(MODELS)).json()["results"]
    assert [row["id"] for row in rows] == [second["id"]]


async def test_a_deleted_model_is_retired_everywhere(bench: Bench, compute: FakeCompute) -> None:
    compute.play(result())
    model = await requested(bench)
    await run_everything(bench)
    client = bench.as_caller(ADMIN)
    assert (await client.delete(f"{MODELS}{model['id']}/")).status_code == 204
    assert (await client.get(f"{MODELS}{model['id']}/")).status_code == 404
    assert (await client.delete(f"{MODELS}{model['id']}/")).status_code == 404
    assert [event.model_id for event in await bench.emitted(ModelRetired)] == [model["id"]]


async def with_file(bench: Bench, compute: FakeCompute) -> dict[str, Any]:
    """Return a trained model whose artefact lies in the blob store."""
    key = f"{TENANT}/models/some-uid/1"
    async with open_blobs(bench.service.settings.blobs()) as blobs:
        await blobs.put(f"{key}/manifest.json", b"{}")
        await blobs.put(f"{key}/arrays.safetensors", b"numbers" * 1000)
    compute.play(result(key=key))
    model = await requested(bench)
    await run_everything(bench)
    return model


async def test_a_models_files_are_downloaded_as_one_archive(
    bench: Bench, compute: FakeCompute
) -> None:
    model = await with_file(bench, compute)
    reader = bench.as_caller(key_of("read"))
    one, other = [
        await reader.get(f"{MODELS}{model['id']}/{name}/") for name in ("download_file", "download")
    ]
    assert one.status_code == 200
    assert one.headers["content-disposition"] == (f'attachment; filename="model-{model["id"]}.zip"')
    assert one.content == other.content
    with ZipFile(io.BytesIO(one.content)) as archive:
        assert archive.namelist() == ["arrays.safetensors", "manifest.json"]
        assert archive.read("arrays.safetensors") == b"numbers" * 1000


async def test_a_model_without_a_file_is_remembered_and_serves_nobody(
    bench: Bench, compute: FakeCompute
) -> None:
    model = await with_file(bench, compute)
    client = bench.as_caller(ADMIN)
    path = f"{MODELS}{model['id']}/"
    left = await client.delete(f"{path}unlink_file/")
    assert left.status_code == 200
    assert [left.json()[name] for name in ("file", "basename", "filesize")] == [None] * 3
    assert left.json() == (await client.get(path)).json()
    assert (await client.delete(f"{path}unlink_file/")).json() == left.json()
    gone = await client.get(f"{path}download_file/")
    assert (gone.status_code, gone.json()["detail"]) == (404, "file deleted.")
    assert [event.model_id for event in await bench.emitted(ModelRetired)] == [model["id"]]


async def test_nobody_elses_file_is_downloaded_or_unlinked(
    bench: Bench, compute: FakeCompute
) -> None:
    model = await with_file(bench, compute)
    path = f"{MODELS}{model['id']}"
    for caller, expected in ((None, 401), (STRANGER, 404), (key_of("read", project=2), 404)):
        answer = await bench.as_caller(caller).get(f"{path}/download_file/")
        assert answer.status_code == expected
    for caller, expected in ((None, 401), (STRANGER, 404), (key_of("read"), 403)):
        answer = await bench.as_caller(caller).delete(f"{path}/unlink_file/")
        assert answer.status_code == expected
    assert await bench.emitted(ModelRetired) == []


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_model_is_not_edited(bench: Bench, method: str) -> None:
    model = await requested(bench)
    answer = await bench.as_caller(ADMIN).request(method, f"{MODELS}{model['id']}/", json={})
    assert answer.status_code == 405


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_the_log_is_read_only(bench: Bench, method: str) -> None:
    client = bench.as_caller(ADMIN)
    path = LOGS if method == "POST" else f"{LOGS}1/"
    assert (await client.request(method, path, json={})).status_code == 405


async def test_lines_are_found_by_job_model_and_place(bench: Bench, compute: FakeCompute) -> None:
    said = [progress(at / 10, f"line {at}") for at in range(3)]
    compute.play(*said, result())
    compute.play(progress(0.1, "other"), result())
    model = await requested(bench)
    client = bench.as_caller(ADMIN)
    body = {"configuration": model["configuration"], "data_loc": 5}
    second = await posted(client, MODELS, **body)
    await run_everything(bench)

    async def lines(query: str) -> list[str]:
        rows = (await client.get(f"{LOGS}?{query}")).json()["results"]
        return [row["contents"] for row in rows]

    everything = (await client.get(LOGS)).json()["results"]
    task = next(row["task"] for row in everything if row["contents"] == "line 0")
    first = min(row["id"] for row in everything)
    assert await lines(f"task={task}") == ["line 2", "line 1", "line 0"]
    assert await lines(f"model_id={second['id']}") == ["other"]
    assert await lines(f"id={first}") == ["line 0"]
    assert await lines(f"model_id={model['id']}&id_gt={first}") == ["line 2", "line 1"]
    assert await lines("tuning_job_id=1") == []
    assert len(everything) == 4


async def test_a_key_that_may_read_sees_what_its_own_project_said(
    bench: Bench, compute: FakeCompute
) -> None:
    compute.play(progress(0.5, "half way"), result())
    await requested(bench)
    await run_everything(bench)
    [line] = (await bench.as_caller(ADMIN).get(LOGS)).json()["results"]
    for key, rows, status in (
        (key_of("read"), [line], 200),
        (key_of("read", project=2), [], 404),
    ):
        client = bench.as_caller(key)
        assert (await client.get(LOGS)).json()["results"] == rows
        assert (await client.get(f"{LOGS}{line['id']}/")).status_code == status
    assert (await bench.as_caller(key_of("write", "predict")).get(LOGS)).status_code == 403


@pytest.mark.parametrize(("named", "column"), [("t", "t"), ("", None), (None, None)])
async def test_no_name_of_a_time_column_is_no_column(
    bench: Bench, compute: FakeCompute, named: str | None, column: str | None
) -> None:
    """Clients of Recotem's leave the name out, or empty."""
    compute.play(result())
    made = await configured(bench)
    await know(bench, project_changed(1).model_copy(update={"time_column": named}))
    await posted(bench.as_caller(ADMIN), MODELS, configuration=made["id"], data_loc=5)
    await run_everything(bench)
    assert compute.specs[0]["data"]["time"] == column
