"""Split, evaluation and model configurations as clients meet them."""

from typing import Any

import pytest

from chassis.testing import ADMIN, MEMBER, STRANGER, Bench, key_of
from training.tests.standins import configured, know, posted, project_changed, requested

SPLITS, EVALUATIONS = "/api/v1/split_config/", "/api/v1/evaluation_config/"
MODELS = "/api/v1/model_configuration/"


@pytest.mark.parametrize("path", [SPLITS, EVALUATIONS, MODELS])
async def test_a_stranger_is_refused(bench: Bench, path: str) -> None:
    client = bench.as_caller(None)
    answers = [await client.get(path), await client.post(path, json={})]
    assert [answer.status_code for answer in answers] == [401, 401]


@pytest.mark.parametrize("path", [SPLITS, EVALUATIONS])
async def test_another_tenant_sees_nothing(bench: Bench, path: str) -> None:
    made = await posted(bench.as_caller(ADMIN), path)
    other = bench.as_caller(STRANGER)
    assert (await other.get(path)).json()["count"] == 0
    found = f"{path}{made['id']}/"
    answers = [
        await other.get(found),
        await other.patch(found, json={"name": "mine"}),
        await other.delete(found),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert (await bench.as_caller(ADMIN).get(found)).json()["name"] is None


async def test_another_tenants_model_configuration_is_not_there(bench: Bench) -> None:
    made = await configured(bench)
    other = bench.as_caller(STRANGER)
    assert (await other.get(MODELS)).json()["count"] == 0
    assert (await other.get(f"{MODELS}{made['id']}/")).status_code == 404
    assert (await other.delete(f"{MODELS}{made['id']}/")).status_code == 404


@pytest.mark.parametrize("path", [SPLITS, EVALUATIONS, MODELS])
async def test_a_reading_key_may_not_write(bench: Bench, path: str) -> None:
    client = bench.as_caller(key_of("read"))
    assert (await client.get(path)).status_code == 200
    assert (await client.post(path, json={})).status_code == 403


async def test_an_empty_split_is_a_good_split(bench: Bench) -> None:
    made = await posted(bench.as_caller(MEMBER), SPLITS)
    moments = {made.pop("ins_datetime"), made.pop("updated_at")}
    assert all(str(moment).endswith("Z") for moment in moments)
    assert made == {
        "id": 1,
        "name": None,
        "scheme": "RG",
        "heldout_ratio": 0.1,
        "n_heldout": None,
        "test_user_ratio": 1.0,
        "n_test_users": None,
        "random_seed": 42,
        "created_by": 2,
    }


async def test_an_empty_evaluation_is_a_good_evaluation(bench: Bench) -> None:
    made = await posted(bench.as_caller(MEMBER), EVALUATIONS)
    assert (made["cutoff"], made["target_metric"], made["name"]) == (20, "ndcg", None)


@pytest.mark.parametrize(
    ("path", "body", "field", "message"),
    [
        (SPLITS, {"scheme": "XX"}, "scheme", '"XX" is not a valid choice.'),
        (
            SPLITS,
            {"heldout_ratio": 1.5},
            "heldout_ratio",
            "Ensure this value is less than or equal to 1.0.",
        ),
        (SPLITS, {"random_seed": None}, "random_seed", "This field may not be null."),
        (
            SPLITS,
            {"random_seed": -1},
            "random_seed",
            "Ensure this value is greater than or equal to 0.",
        ),
        (
            SPLITS,
            {"n_heldout": 0},
            "n_heldout",
            "Ensure this value is greater than or equal to 1.",
        ),
        (SPLITS, {"n_heldout": "many"}, "n_heldout", "A valid integer is required."),
        (EVALUATIONS, {"target_metric": "auc"}, "target_metric", '"auc" is not a valid choice.'),
        (
            EVALUATIONS,
            {"cutoff": -5},
            "cutoff",
            "Ensure this value is greater than or equal to 1.",
        ),
        (
            EVALUATIONS,
            {"name": "x" * 257},
            "name",
            "Ensure this field has no more than 256 characters.",
        ),
    ],
)
async def test_bad_values_are_named(
    bench: Bench, path: str, body: dict[str, Any], field: str, message: str
) -> None:
    answer = await bench.as_caller(ADMIN).post(path, json=body)
    assert answer.status_code == 400
    assert answer.json()[field] == [message]
    assert (await bench.as_caller(ADMIN).get(path)).json()["count"] == 0


async def test_configurations_are_found_by_name_or_by_having_none(bench: Bench) -> None:
    client = bench.as_caller(ADMIN)
    named = await posted(client, SPLITS, name="weekly")
    unnamed = await posted(client, SPLITS)

    async def ids(query: str) -> list[int]:
        answer = await client.get(f"{SPLITS}?{query}")
        return [row["id"] for row in answer.json()["results"]]

    assert await ids("name=weekly") == [named["id"]]
    assert await ids("unnamed=true") == [unnamed["id"]]
    assert await ids("unnamed=false") == [named["id"]]
    assert await ids(f"id={named['id']}") == [named["id"]]
    assert await ids("") == [unnamed["id"], named["id"]]
    assert (await client.get(f"{SPLITS}?id=abc")).json()["id"] == ["Enter a number."]


async def test_patch_changes_one_member_and_put_all(bench: Bench) -> None:
    client = bench.as_caller(ADMIN)
    path = f"{SPLITS}{(await posted(client, SPLITS, scheme='TG', name='a'))['id']}/"
    patched = (await client.patch(path, json={"heldout_ratio": 0.5})).json()
    assert (patched["scheme"], patched["heldout_ratio"], patched["name"]) == ("TG", 0.5, "a")
    replaced = (await client.put(path, json={"scheme": "TU"})).json()
    assert (replaced["scheme"], replaced["heldout_ratio"], replaced["name"]) == ("TU", 0.1, None)


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"recommender_class_name": "No-pe"}, "recommender_class_name", "must be a valid Python"),
        ({"recommender_class_name": "Nope"}, "recommender_class_name", "'Nope' is not a valid irs"),
        ({"recommender_class_name": "session"}, "recommender_class_name", "'session' is not a val"),
        ({"parameters_json": [1]}, "parameters_json", "Must be a JSON object (dict)."),
        ({"parameters_json": {"colour": 1}}, "parameters_json", "has no parameter 'colour'"),
    ],
)
async def test_a_model_configuration_names_a_known_learner(
    bench: Bench, body: dict[str, Any], field: str, message: str
) -> None:
    await know(bench, project_changed(1))
    sent = {"project": 1, "recommender_class_name": "IALSRecommender"} | body
    answer = await bench.as_caller(ADMIN).post(MODELS, json=sent)
    assert answer.status_code == 400
    assert message in answer.json()[field][0]


async def test_names_of_model_configurations_are_unique_in_their_project(bench: Bench) -> None:
    first = await configured(bench, name="best")
    await know(bench, project_changed(2))
    client = bench.as_caller(ADMIN)
    body = {"recommender_class_name": "TopPopRecommender", "name": "best"}
    refused = await client.post(MODELS, json=body | {"project": 1})
    assert refused.status_code == 400
    assert refused.json()["non_field_errors"] == [
        "The fields project, name must make a unique set."
    ]
    elsewhere = await posted(client, MODELS, **body, project=2)
    moved = await client.patch(f"{MODELS}{elsewhere['id']}/", json={"project": 1})
    assert moved.status_code == 400
    assert (await client.patch(f"{MODELS}{first['id']}/", json={"name": "best"})).is_success
    nameless = {"recommender_class_name": "TopPopRecommender", "project": 1}
    await posted(client, MODELS, **nameless)
    await posted(client, MODELS, **nameless)


async def test_an_unknown_project_and_a_foreign_one_get_the_same_answer(
    bench: Bench, no_patience: None
) -> None:
    await know(bench, project_changed(7, STRANGER.tenant_id), project_changed(8))
    client = bench.as_caller(ADMIN)
    texts = []
    for project_id in (9999, 7):
        body = {"project": project_id, "recommender_class_name": "TopPopRecommender"}
        answer = await client.post(MODELS, json=body)
        assert answer.status_code == 400
        texts.append(answer.json()["project"][0].replace(str(project_id), "N"))
    assert texts == ['Invalid pk "N" - object does not exist.'] * 2


async def test_a_key_stays_in_its_project(bench: Bench, no_patience: None) -> None:
    made = await configured(bench)
    await know(bench, project_changed(2))
    key = bench.as_caller(key_of("read", "write", project=2))
    assert (await key.get(MODELS)).json()["count"] == 0
    assert (await key.get(f"{MODELS}{made['id']}/")).status_code == 404
    body = {"project": 1, "recommender_class_name": "TopPopRecommender"}
    assert (await key.post(MODELS, json=body)).status_code == 400
    own = await posted(key, MODELS, **(body | {"project": 2}))
    assert own["project"] == 2


async def test_a_deleted_configuration_takes_its_models_along(bench: Bench) -> None:
    model = await requested(bench)
    client = bench.as_caller(ADMIN)
    assert (await client.delete(f"{MODELS}{model['configuration']}/")).status_code == 204
    assert (await client.get(f"/api/v1/trained_model/{model['id']}/")).status_code == 404
