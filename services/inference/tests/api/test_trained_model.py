"""A project's model is tried out at Recotem's management paths."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from chassis.testing import MEMBER, STRANGER, TENANT, Bench, key_of
from chassis.testing.ids import NO_IDS
from inference.tests.conftest import Workshop

KEY = key_of("read", "write")
MODELS = "/api/v1/trained_model"
ACTIONS = ("recommendation/?user_id=ann", "sample_recommendation_raw/")
PROFILE = {"item_ids": ["movie-0"], "cutoff": 3}


async def got(bench: Bench, path: str, caller: Any = KEY) -> httpx.Response:
    async with bench.as_caller(caller) as client:
        return await client.get(f"{MODELS}/{path}")


async def posted(bench: Bench, path: str, body: Any, caller: Any = KEY) -> httpx.Response:
    async with bench.as_caller(caller) as client:
        return await client.post(f"{MODELS}/{path}/recommend_using_profile_interaction/", json=body)


async def test_a_stranger_is_refused(bench: Bench) -> None:
    for action in ACTIONS:
        assert (await got(bench, f"5/{action}", None)).status_code == 401
    assert (await posted(bench, "5", PROFILE, None)).status_code == 401


@pytest.mark.parametrize("caller", [STRANGER, key_of("read", "write", project=2)])
async def test_nobody_elses_model_is_found(
    workshop: Workshop, bench: Bench, caller: Any, served: Any
) -> None:
    await workshop.load(5)

    answers = [await got(bench, f"5/{action}", caller) for action in ACTIONS]
    answers.append(await posted(bench, "5", PROFILE, caller))
    absent = await got(bench, f"6/{ACTIONS[0]}")

    for answer in (*answers, absent):
        assert answer.status_code == 404
        assert answer.json()["detail"] == "No TrainedModel matches the given query."
    assert await served() == []


async def test_an_algorithms_model_is_no_projects_model(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5, project_id=None, algorithm="collaborative")

    assert (await got(bench, f"5/{ACTIONS[0]}", MEMBER)).status_code == 404


async def test_a_key_needs_the_scope_of_the_method(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5)

    assert (await got(bench, f"5/{ACTIONS[0]}", key_of("write", "predict"))).status_code == 403
    assert (await posted(bench, "5", PROFILE, key_of("read", "predict"))).status_code == 403


async def test_a_user_gets_a_bare_list_of_unseen_items(
    workshop: Workshop, bench: Bench, served: Any
) -> None:
    await workshop.load(5)

    answer = await got(bench, "5/recommendation/?user_id=ann&cutoff=2")

    assert answer.status_code == 200
    assert [set(row) for row in answer.json()] == [{"item_id", "score"}] * 2
    assert [row["item_id"] for row in answer.json()] == ["movie-2", "movie-3"]
    [told] = await served()
    assert (told.tenant_id, told.user_id, told.model_id) == (TENANT, "ann", 5)


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("", 400, "user_id is required."),
        ("user_id=ann&cutoff=x", 400, "cutoff must be an integer."),
        ("user_id=ann&cutoff=0", 400, "cutoff must be >= 1."),
        ("user_id=ann&cutoff=-3", 400, "cutoff must be >= 1."),
        ("user_id=ann&cutoff=1001", 400, "cutoff must be <= 1000."),
        ("user_id=zz", 404, "User 'zz' not found."),
    ],
)
async def test_what_cannot_be_answered_says_why(
    workshop: Workshop, bench: Bench, query: str, status: int, detail: str
) -> None:
    await workshop.load(5)

    answer = await got(bench, f"5/recommendation/?{query}")

    assert (answer.status_code, answer.json()["detail"]) == (status, detail)


async def test_a_sample_shows_a_user_and_serves_nobody(
    workshop: Workshop, bench: Bench, served: Any
) -> None:
    await workshop.load(5)

    shown = (await got(bench, "5/sample_recommendation_raw/")).json()

    profiles = {"ann": ["movie-0", "movie-1"], "ben": ["movie-4"]}
    assert shown["user_profile"] == profiles[shown["user_id"]]
    named = [row["item_id"] for row in shown["recommendations"]]
    assert len(named) == 8 - len(shown["user_profile"])
    assert not set(named) & set(shown["user_profile"])
    assert await served() == []


async def test_a_profile_of_items_is_recommended_for(
    workshop: Workshop, bench: Bench, served: Any
) -> None:
    await workshop.load(5)
    await workshop.item("movie-5", active=False)

    body = {"item_ids": ["movie-4", "nowhere"], "cutoff": 2}
    answer = await posted(bench, "5", body)

    assert answer.status_code == 200
    named = [row["item_id"] for row in answer.json()["recommendations"]]
    assert named == ["movie-6", "movie-7"]
    [told] = await served()
    assert (told.user_id, told.item_ids) == ("", named)
    unknown = await posted(bench, "5", body | {"item_ids": ["nowhere"]})
    assert unknown.json() == {"recommendations": []}


@pytest.mark.parametrize("body", [{}, {"item_ids": "x", "cutoff": 1}, PROFILE | {"cutoff": 0}])
async def test_a_profile_that_makes_no_sense_is_refused(
    workshop: Workshop, bench: Bench, body: Any
) -> None:
    await workshop.load(5)

    answer = await posted(bench, "5", body)

    assert answer.status_code == 400
    assert answer.json()["errors"]


@pytest.mark.parametrize("text", NO_IDS[1:], ids=ascii)
async def test_what_is_no_id_is_refused(workshop: Workshop, bench: Bench, text: str) -> None:
    await workshop.load(5)

    asked = await got(bench, f"5/recommendation/?user_id={quote(text, safe='')}")
    liked = await posted(bench, "5", PROFILE | {"item_ids": ["movie-0", text]})

    assert (asked.status_code, liked.status_code) == (400, 400)
    assert "user_id" in asked.json()
    assert "item_ids.1" in liked.json()


async def test_no_more_than_a_thousand_items_are_asked_for(
    workshop: Workshop, bench: Bench, served: Any
) -> None:
    await workshop.load(5)

    refused = await posted(bench, "5", PROFILE | {"cutoff": 1001})

    assert refused.status_code == 400
    assert refused.json()["cutoff"] == ["Ensure this value is less than or equal to 1000."]
    assert (await posted(bench, "5", PROFILE | {"cutoff": 1000})).status_code == 200
    assert len(await served()) == 1
