import asyncio
import gc
import threading
import weakref
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from chassis.clock import now
from chassis.testing import MEMBER, OTHER_TENANT, STRANGER, TENANT, Bench, key_of
from chassis.testing.ids import NO_IDS
from contracts.catalog import ItemDeleted
from contracts.models import ModelRetired
from inference.domain import explanations
from inference.operations import serving
from inference.operations.patience import wait_until
from inference.operations.serving import Shelf
from inference.scorers import Trait
from inference.tests.conftest import MOMENT, Workshop
from inference.tests.doubles import ITEMS, NeighbourScorer

KEY = key_of("predict")


async def post(bench: Bench, path: str, body: Any, caller: Any = KEY) -> httpx.Response:
    async with bench.as_caller(caller) as client:
        return await client.post(f"/api/v1/{path}", json=body)


async def recommend(bench: Bench, user: str = "ann", count: int = 3, **rest: Any) -> Any:
    answer = await post(bench, "recommend", {"userId": user, "count": count, **rest})
    assert answer.status_code == 200
    return answer.json()


async def test_a_stranger_is_refused(bench: Bench) -> None:
    for path in ("recommend", "similar"):
        assert (await post(bench, path, {}, None)).status_code == 401


async def test_another_tenants_models_and_users_stay_unknown(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5, algorithm="collaborative")
    await workshop.interact("ann", "movie-0")
    await workshop.item("movie-0")
    key = key_of("predict", tenant_id=OTHER_TENANT)

    assert (await post(bench, "recommend", {"userId": "ann", "count": 3}, key)).json() == []
    answer = await post(bench, "similar", {"itemId": "movie-0", "count": 3}, STRANGER)
    missing = await post(bench, "similar", {"itemId": "nowhere", "count": 3}, STRANGER)
    assert answer.status_code == missing.status_code == 400


@pytest.mark.parametrize("path", ["recommend", "similar"])
async def test_a_key_needs_the_scope_predict(bench: Bench, path: str) -> None:
    assert (await post(bench, path, {}, key_of("read", "write"))).status_code == 403


async def test_a_user_gets_what_is_like_the_own_past_and_is_told_so(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5, algorithm="collaborative")
    await workshop.item("movie-0")
    await workshop.interact("cid", "movie-0", weight=0.7)

    answer = await post(bench, "recommend", {"userId": "cid", "count": 3}, MEMBER)

    rows = answer.json()
    assert [row["itemId"] for row in rows] == ["movie-1", "movie-2", "movie-3"]
    assert {row["algorithm"] for row in rows} == {"collaborative"}
    assert {row["explanation"] for row in rows} == {'Because of your interest in "Movie No. 0".'}
    assert answer.headers["Millrace-Model"] == "v5"


async def test_the_strongest_reason_comes_first(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5, algorithm="collaborative")
    await workshop.interact("cid", "movie-4", weight=1.0)
    await workshop.interact("cid", "movie-0", weight=1.0)

    [first, *_rest] = await recommend(bench, "cid")

    assert first["itemId"] == "movie-1"
    assert first["explanation"] == 'Because of your interest in "movie-0" and "movie-4".'


class Described(NeighbourScorer):
    """Says of each item that half of its score comes from its being a space opera."""

    def traits(self, history: Any, ranking: Any) -> Any:
        return [Trait("genre: Space opera", score / 2) for score in ranking.scores]


@pytest.mark.parametrize("asked", ["content-based", "hybrid"])
async def test_a_feature_that_outweighs_every_past_item_is_the_reason(
    workshop: Workshop, bench: Bench, asked: str
) -> None:
    workshop.scorers |= {5: Described(), 6: of_no_opinion(movie_6=0.1)}
    await workshop.load(5, algorithm="content-based")
    await workshop.load(6, algorithm="collaborative")
    await workshop.interact("cid", "movie-0")

    async def reason() -> str:
        rows = await recommend(bench, "cid", count=8, algorithm=asked)
        return {str(row["itemId"]): str(row["explanation"]) for row in rows}["movie-3"]

    assert await reason() == 'Because of your interest in "movie-0".'
    for item in ("movie-1", "movie-2"):
        await workshop.interact("cid", item)
    assert await reason() == "Because you like genre: Space opera."


async def test_an_interaction_changes_the_next_answer(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5, algorithm="collaborative")
    await workshop.interact("cid", "movie-0")
    before = await recommend(bench, "cid")
    await workshop.interact("cid", "movie-1", to="histories-in-memory")

    after = await recommend(bench, "cid")

    assert before[0]["itemId"] == "movie-1"
    assert "movie-1" not in {row["itemId"] for row in after}


async def test_what_was_consumed_never_comes_back(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5, algorithm="collaborative")
    for item in ITEMS[:6]:
        await workshop.interact("cid", item, weight=0.1)

    rows = await recommend(bench, "cid", count=100)

    assert {row["itemId"] for row in rows} == {"movie-6", "movie-7"}


async def test_an_inactive_or_deleted_item_is_absent_at_once(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5, algorithm="collaborative")
    await workshop.item("movie-1")
    await workshop.item("movie-2")
    await workshop.interact("cid", "movie-0")
    await workshop.item("movie-1", revision=2, active=False)
    await bench.deliver(
        ItemDeleted(tenant_id=TENANT, occurred_at=MOMENT, item_id="movie-2", revision=2)
    )

    assert [row["itemId"] for row in await recommend(bench, "cid", count=1)] == ["movie-3"]
    strangers = {row["itemId"] for row in await recommend(bench, "nobody", count=100)}
    assert not {"movie-1", "movie-2"} & strangers
    await workshop.item("movie-1", revision=3)
    assert [row["itemId"] for row in await recommend(bench, "cid", count=1)] == ["movie-1"]


async def test_an_unknown_user_gets_what_is_popular_and_is_told_so(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5, algorithm="collaborative")

    rows = await recommend(bench, "nobody")

    assert [row["itemId"] for row in rows] == ["movie-0", "movie-1", "movie-2"]
    assert {row["algorithm"] for row in rows} == {"popularity"}
    assert {row["explanation"] for row in rows} == {explanations.NEW_USER}


async def test_somebody_unknown_is_served_by_the_session_and_told_so(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5, algorithm="collaborative")
    await workshop.interact("guest-1", "movie-4", session_id="s", at=now())

    rows = await recommend(bench, "guest-2", sessionId="s")

    assert [row["itemId"] for row in rows] == ["movie-5", "movie-6", "movie-7"]
    assert {row["explanation"] for row in rows} == {
        'Because of your interest in "movie-4" in this session.'
    }
    everything = await recommend(bench, "guest-2", count=100, sessionId="s")
    assert "movie-4" not in {row["itemId"] for row in everything}
    [first, *_rest] = await recommend(bench, "guest-2", sessionId="another")
    assert first["explanation"] == explanations.NEW_USER


async def test_a_session_counts_beside_what_is_known_of_the_user(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5, algorithm="collaborative")
    await workshop.load(6, algorithm="content-based")
    await workshop.interact("cid", "movie-0")
    await workshop.interact("somebody", "movie-4", session_id="s", at=now())

    for algorithm in ("collaborative", "hybrid"):
        rows = await recommend(bench, "cid", count=8, sessionId="s", algorithm=algorithm)
        reasons = {row["itemId"]: row["explanation"] for row in rows}
        assert not {"movie-0", "movie-4"} & set(reasons)
        sentence = 'Because of your interest in "movie-4" in this session, and in "movie-0" before.'
        assert reasons["movie-5"] == sentence

    rows = await recommend(bench, "cid", count=8)
    assert "movie-4" in {row["itemId"] for row in rows}


async def test_a_session_shows_where_no_model_makes_anything_of_it(
    workshop: Workshop, bench: Bench
) -> None:
    for user in ("ann", "ben"):
        await workshop.interact(user, "tea")
    await workshop.interact("guest", "cake", session_id="s", at=now())

    rows = await recommend(bench, "somebody", sessionId="s")

    assert [(row["itemId"], row["explanation"]) for row in rows] == [
        ("tea", explanations.NEW_TASTE)
    ]


async def test_without_a_model_popularity_is_counted(workshop: Workshop, bench: Bench) -> None:
    for user, item in (("a", "tea"), ("b", "tea"), ("b", "cake"), ("cid", "cake")):
        await workshop.interact(user, item)
    await workshop.interact("a", "cake")

    answer = await post(bench, "recommend", {"userId": "cid", "count": 3})

    assert [row["itemId"] for row in answer.json()] == ["tea"]
    assert answer.headers["Millrace-Model"] == "popularity"
    assert [row["itemId"] for row in await recommend(bench, "new")] == ["cake", "tea"]


async def test_without_interactions_the_newest_items_come_first(
    workshop: Workshop, bench: Bench
) -> None:
    assert await recommend(bench, "new") == []
    await workshop.item("tea")
    await workshop.item("cake", active=False)

    rows = await recommend(bench, "new")

    assert [(row["itemId"], row["explanation"]) for row in rows] == [("tea", explanations.NEWEST)]


async def test_an_algorithm_without_a_model_is_answered_by_another_and_says_so(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5, algorithm="collaborative")
    await workshop.interact("cid", "movie-0")

    for asked in ("deep-learning", "content-based", "hybrid", "collaborative"):
        rows = await recommend(bench, "cid", algorithm=asked)
        assert {row["algorithm"] for row in rows} == {"collaborative"}


async def test_a_model_asked_for_by_name_is_waited_for_and_nobody_else_waits(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.interact("ann", "movie-0")
    await workshop.load(4, algorithm="content-based")
    gate = workshop.gates[5] = threading.Event()
    await workshop.announce(5, algorithm="collaborative")
    asked = asyncio.create_task(
        post(bench, "recommend", {"userId": "ann", "count": 3, "algorithm": "collaborative"})
    )
    shelf: Shelf = bench.app.state.shelf
    assert await wait_until(lambda: 5 in shelf._loading, seconds=5)

    content = {"userId": "ann", "count": 3, "algorithm": "content-based"}
    assert (await post(bench, "recommend", content)).headers["Millrace-Model"] == "v4"
    stranger = await post(bench, "recommend", content, STRANGER)
    assert stranger.headers["Millrace-Model"] == "popularity"
    assert not asked.done()
    gate.set()
    assert (await asked).headers["Millrace-Model"] == "v5"


async def test_a_model_that_does_not_come_in_time_is_503_and_no_stand_in(
    workshop: Workshop, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await workshop.interact("ann", "movie-0")
    await workshop.load(4, algorithm="content-based")
    gate = workshop.gates[5] = threading.Event()
    await workshop.announce(5, algorithm="collaborative")
    with monkeypatch.context() as impatient:
        impatient.setattr(serving, "_patience", lambda _optional: 0.0)
        body = {"userId": "ann", "count": 3, "algorithm": "collaborative"}
        answer = await post(bench, "recommend", body)
        hybrid = await post(bench, "recommend", body | {"algorithm": "hybrid"})
    assert (answer.status_code, answer.json()["code"]) == (503, "MODEL_LOADING")
    assert int(answer.headers["Retry-After"]) > 0
    assert (hybrid.status_code, hybrid.headers["Millrace-Model"]) == (200, "v4")
    gate.set()
    assert (await post(bench, "recommend", body)).headers["Millrace-Model"] == "v5"


async def test_a_model_that_another_process_answers_by_is_waited_for(
    workshop: Workshop, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await workshop.interact("ann", "movie-0")
    recommender = bench.app.state.recommender
    monkeypatch.setattr(recommender, "_patience", 30.0)
    asking = asyncio.Event()

    async def newest_loaded(_tenant_id: str, _algorithm: str) -> int:
        asking.set()
        return 5

    monkeypatch.setattr(recommender, "_newest_loaded", newest_loaded)
    body = {"userId": "ann", "count": 3, "algorithm": "collaborative"}
    asked = asyncio.create_task(post(bench, "recommend", body))
    await asking.wait()
    await workshop.announce(5, algorithm="collaborative")

    assert (await asked).headers["Millrace-Model"] == "v5"


async def test_with_memory_for_one_model_each_still_answers_by_its_name(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.interact("ann", "movie-0")
    shelf: Shelf = bench.app.state.shelf
    shelf._capacity = 1000
    await workshop.announce(4, algorithm="content-based")
    await workshop.announce(5, algorithm="collaborative")
    for _ in range(2):
        for name, version in (("collaborative", "v5"), ("content-based", "v4")):
            body = {"userId": "ann", "count": 3, "algorithm": name}
            answer = await post(bench, "recommend", body)
            assert answer.headers["Millrace-Model"] == version
            assert {row["algorithm"] for row in answer.json()} <= {name, "popularity"}
    assert len(shelf.loaded_ids) == 1


async def test_two_models_answer_together_as_the_hybrid(workshop: Workshop, bench: Bench) -> None:
    class Musicals(NeighbourScorer):
        """Knows nothing but the last four."""

        def recommend(self, *given: Any, **rest: Any) -> Any:
            others = dict.fromkeys(ITEMS[:4], 0)
            return super().recommend(*given, **{**rest, "exclude": others.keys()})

    workshop.scorers[6] = Musicals()
    await workshop.load(5, algorithm="collaborative")
    await workshop.load(6, algorithm="content-based")
    await workshop.interact("cid", "movie-4")
    await workshop.interact("cid", "movie-0")

    answer = await post(bench, "recommend", {"userId": "cid", "count": 8})

    rows = answer.json()
    named = {row["itemId"]: row["algorithm"] for row in rows}
    assert named == {f"movie-{n}": "collaborative" for n in (1, 2, 3)} | {
        f"movie-{n}": "hybrid" for n in (5, 6, 7)
    }
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores, reverse=True)
    best = next(row for row in rows if row["itemId"] == "movie-5")
    assert best["explanation"] == 'Because of your interest in "movie-4" and "movie-0".'
    assert answer.headers["Millrace-Model"] == "v5+v6"
    alone = await recommend(bench, "cid", algorithm="content-based")
    assert {row["algorithm"] for row in alone} == {"content-based"}


async def test_the_hybrid_follows_every_change_at_once(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5, algorithm="collaborative")
    await workshop.load(6, algorithm="content-based")
    await workshop.item("movie-1")
    await workshop.interact("cid", "movie-0")
    assert (await recommend(bench, "cid"))[0]["itemId"] == "movie-1"

    await workshop.item("movie-1", revision=2, active=False)
    assert (await recommend(bench, "cid"))[0]["itemId"] == "movie-2"
    await workshop.interact("cid", "movie-2")
    assert (await recommend(bench, "cid"))[0]["itemId"] == "movie-3"
    await workshop.load(7, algorithm="collaborative")
    answer = await post(bench, "recommend", {"userId": "cid", "count": 3})
    assert answer.headers["Millrace-Model"] == "v7+v6"


async def test_a_short_personal_list_is_filled_up_with_popular_items(
    workshop: Workshop, bench: Bench
) -> None:
    class Short(NeighbourScorer):
        def recommend(self, *given: Any, k: int, **rest: Any) -> Any:
            return super().recommend(*given, k=min(k, 2), **rest)

    workshop.scorers[5] = Short()
    await workshop.load(5, algorithm="collaborative")
    await workshop.interact("cid", "movie-7")

    rows = await recommend(bench, "cid", count=5)

    assert [row["algorithm"] for row in rows] == ["collaborative"] * 2 + ["popularity"] * 3
    assert len({row["itemId"] for row in rows} - {"movie-7"}) == 5
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores, reverse=True)


def of_no_opinion(**likeness: float) -> NeighbourScorer:
    """Return a model in which movie-0 is like the named movies, and nothing else is like anything.

    `{"movie_1": 0.5}` is written `movie_1=0.5`.
    """
    alike = np.zeros((8, 8), dtype=np.float32)
    for name, value in likeness.items():
        alike[0, ITEMS.index(name.replace("_", "-"))] = value
    return NeighbourScorer(likeness=alike)


@pytest.mark.parametrize("models", [["collaborative"], ["content-based"], None], ids=str)
async def test_where_no_model_has_an_opinion_popularity_says_so(
    workshop: Workshop, bench: Bench, models: list[str] | None
) -> None:
    for model_id, algorithm in enumerate(models or ["collaborative", "content-based"], start=5):
        workshop.scorers[model_id] = of_no_opinion()
        await workshop.load(model_id, algorithm=algorithm)
    await workshop.interact("cid", "movie-0")

    rows = await recommend(bench, "cid")

    assert [row["itemId"] for row in rows] == ["movie-1", "movie-2", "movie-3"]
    assert {(row["algorithm"], row["explanation"]) for row in rows} == {
        ("popularity", explanations.NEW_TASTE)
    }


@pytest.mark.parametrize("together", [False, True])
async def test_an_item_without_a_positive_score_is_no_recommendation_of_the_model(
    workshop: Workshop, bench: Bench, together: bool
) -> None:
    workshop.scorers[5] = of_no_opinion(movie_6=0.5, movie_7=-0.5)
    await workshop.load(5, algorithm="collaborative")
    if together:
        workshop.scorers[6] = of_no_opinion(movie_5=0.5)
        await workshop.load(6, algorithm="content-based")
    await workshop.interact("cid", "movie-0")

    rows = await recommend(bench, "cid", count=4)

    found = ["movie-6", "movie-5"] if together else ["movie-6"]
    named = {row["itemId"]: row["explanation"] for row in rows}
    assert list(named)[: len(found)] == found
    assert {named.pop(item) for item in found} == {'Because of your interest in "movie-0".'}
    assert set(named.values()) == {explanations.FILLED_UP}
    assert len(rows) == 4


async def test_a_trained_user_whose_items_lead_nowhere_is_not_called_unknown(
    workshop: Workshop, bench: Bench
) -> None:
    workshop.scorers[5] = of_no_opinion()
    await workshop.load(5, algorithm="collaborative")

    rows = await recommend(bench, "ann")

    assert {row["explanation"] for row in rows} == {explanations.NEW_TASTE}


async def test_what_nobody_had_come_to_is_not_called_popular(
    workshop: Workshop, bench: Bench
) -> None:
    class Untried(NeighbourScorer):
        def popular(self, **given: Any) -> Any:
            ranking = super().popular(**given)
            return replace(ranking, scores=(8.0, *[0.0] * (len(ranking) - 1)))

    workshop.scorers[5] = Untried()
    await workshop.load(5, algorithm="collaborative")

    first, *rest = await recommend(bench, "nobody")

    assert first["explanation"] == explanations.NEW_USER
    assert {row["explanation"] for row in rest} == {explanations.UNTRIED}


async def test_a_model_that_popularity_beats_answers_where_its_algorithm_is_named(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5, algorithm="collaborative")
    await workshop.load(6, algorithm="collaborative", deploys_itself=False)

    for algorithm, version in (("collaborative", "v6"), ("hybrid", "v5"), ("content-based", "v5")):
        asked = {"userId": "ann", "count": 1, "algorithm": algorithm}
        answer = await post(bench, "recommend", asked)
        assert answer.headers["Millrace-Model"] == version, algorithm


async def test_a_model_that_popularity_beats_is_chosen_for_nobody(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5, algorithm="collaborative", deploys_itself=False)

    assert await recommend(bench, "ann") == []


async def test_a_newer_model_takes_over_and_never_gives_way_to_an_older_one(
    workshop: Workshop, bench: Bench
) -> None:
    versions = []
    for model_id in (5, 9, 7):
        await workshop.load(model_id, algorithm="collaborative")
        answer = await post(bench, "recommend", {"userId": "ann", "count": 1})
        versions.append(answer.headers["Millrace-Model"])

    assert versions == ["v5", "v9", "v9"]


async def test_each_answer_is_announced_once_with_its_units(
    workshop: Workshop, bench: Bench, served: Any
) -> None:
    await workshop.load(5, algorithm="collaborative")
    answer = await post(bench, "recommend", {"userId": "ann", "count": 2})
    await post(bench, "similar", {"itemId": "movie-0", "count": 2})
    await post(bench, "recommend", {"userId": "ann", "count": 0})

    first, second = await served()

    assert first.request_id == answer.headers["Millrace-Request"]
    assert first.item_ids == [row["itemId"] for row in answer.json()]
    assert (first.operation, first.user_id, first.model_id) == ("recommend", "ann", 5)
    assert (second.operation, second.item_ids) == ("similar", ["movie-1", "movie-2"])
    assert [event.centiunits for event in (first, second)] == [100, 100]


async def test_items_like_another_leave_it_out(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5, algorithm="collaborative")

    answer = await post(bench, "similar", {"itemId": "movie-4", "count": 2})

    assert [row["itemId"] for row in answer.json()] == ["movie-5", "movie-6"]
    assert set(answer.json()[0]) == {"itemId", "score"}


async def test_an_item_that_no_model_knows_is_like_nothing(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5, algorithm="collaborative")
    await workshop.item("new")

    assert (await post(bench, "similar", {"itemId": "new", "count": 2})).json() == []


async def test_a_deleted_item_is_refused_though_a_model_knows_it(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5, algorithm="collaborative")
    await workshop.item("movie-4", active=False)
    assert (await post(bench, "similar", {"itemId": "movie-4", "count": 2})).status_code == 200
    await bench.deliver(
        ItemDeleted(tenant_id=TENANT, occurred_at=MOMENT, item_id="movie-4", revision=2)
    )

    answer = await post(bench, "similar", {"itemId": "movie-4", "count": 2})
    assert answer.status_code == 400
    assert answer.json()["itemId"] == ['Invalid pk "movie-4" - object does not exist.']

    await workshop.item("movie-4", revision=3)
    assert (await post(bench, "similar", {"itemId": "movie-4", "count": 2})).status_code == 200


async def test_an_item_that_is_not_there_is_refused(workshop: Workshop, bench: Bench) -> None:
    answer = await post(bench, "similar", {"itemId": "nowhere", "count": 2})

    assert answer.status_code == 400
    assert answer.json()["itemId"] == ['Invalid pk "nowhere" - object does not exist.']


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"userId": None}, "userId"),
        ({"userId": 42}, "userId"),
        ({"userId": ""}, "userId"),
        ({"userId": "x" * 257}, "userId"),
        ({"userId": "a\x00"}, "userId"),
        ({"userId": {}}, "userId"),
        ({"count": None}, "count"),
        ({"count": 0}, "count"),
        ({"count": 101}, "count"),
        ({"count": "3"}, "count"),
        ({"count": 2.5}, "count"),
        ({"count": True}, "count"),
        ({"algorithm": "magic"}, "algorithm"),
        ({"algorithm": 7}, "algorithm"),
        ({"sessionId": ""}, "sessionId"),
        ({"sessionId": 7}, "sessionId"),
        ({"sessionId": "s" * 257}, "sessionId"),
    ],
    ids=repr,
)
async def test_bad_values_are_refused_by_field(
    bench: Bench, served: Any, change: dict[str, Any], field: str
) -> None:
    body = {"userId": "ann", "count": 3, "algorithm": "hybrid"} | change

    answer = await post(bench, "recommend", body)

    assert answer.status_code == 400
    assert field in answer.json()
    assert await served() == []


async def test_count_is_required(bench: Bench) -> None:
    answer = await post(bench, "recommend", {"userId": "ann"})

    assert answer.status_code == 400
    assert answer.json()["count"] == ["This field is required."]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 9999], ids=repr)
async def test_what_is_no_object_is_refused(bench: Bench, content: bytes) -> None:
    async with bench.as_caller(KEY) as client:
        answer = await client.post("/api/v1/recommend", content=content)

    assert answer.status_code == 400
    assert answer.json()["status"] == 400


async def test_a_model_that_was_let_go_is_held_by_nobody(workshop: Workshop, bench: Bench) -> None:
    for model_id, algorithm in ((5, "collaborative"), (6, "content-based")):
        workshop.scorers[model_id] = NeighbourScorer()
        await workshop.load(model_id, algorithm=algorithm)
    await workshop.item("movie-7", active=False)
    await workshop.interact("cid", "movie-0")
    for algorithm in ("hybrid", "collaborative"):
        await recommend(bench, "cid", algorithm=algorithm)
    held = weakref.ref(workshop.scorers.pop(5))

    await bench.deliver(ModelRetired(tenant_id=TENANT, occurred_at=MOMENT, model_id=5))
    await recommend(bench, "cid")

    gc.collect()
    assert held() is None


@pytest.mark.parametrize("text", NO_IDS, ids=ascii)
async def test_what_is_no_id_is_refused(bench: Bench, text: str) -> None:
    for path, field in (("recommend", "userId"), ("recommend", "sessionId"), ("similar", "itemId")):
        answer = await post(bench, path, {"userId": "ann", "count": 3} | {field: text})

        assert answer.status_code == 400
        assert field in answer.json()
