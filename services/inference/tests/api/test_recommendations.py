import asyncio
from copy import copy
from datetime import timedelta
from typing import Any

import httpx
import pytest

from chassis.problems import Unavailable
from chassis.testing import (
    ADMIN,
    MEMBER,
    OTHER_TENANT,
    STRANGER,
    TENANT,
    Bench,
    FrozenClock,
    key_of,
)
from contracts.catalog import ItemDeleted
from contracts.generations import GenerationChanged
from contracts.tenants import PersonErased
from inference.operations import generating, recommendations
from inference.operations.generating import Generating
from inference.tests.conftest import MOMENT, Workshop

PATHS = [
    ("GET", "/api/recommendations"),
    ("GET", "/api/recommendations/my"),
    ("GET", "/api/recommendations/x"),
    ("DELETE", "/api/recommendations/x"),
    ("POST", "/api/recommendations/generate"),
]


async def ask(bench: Bench, method: str, path: str, caller: Any = ADMIN, **rest: Any) -> Any:
    async with bench.as_caller(caller) as client:
        answer: httpx.Response = await client.request(method, path, **rest)
    return answer


async def generate(workshop: Workshop, **body: Any) -> None:
    """Let ann, ben and the signed-in member have a history, and generate for all."""
    for user in ("ann", "ben", MEMBER.subject):
        await workshop.interact(user, "movie-0")
    await workshop.item("movie-1")
    answer = await ask(workshop.bench, "POST", "/api/recommendations/generate", json=body)
    assert answer.status_code == 202
    work: Generating = workshop.bench.app.state.generating
    while await work.step():
        pass


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_a_stranger_is_refused(bench: Bench, method: str, path: str) -> None:
    assert (await ask(bench, method, path, None)).status_code == 401


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_a_key_is_refused(bench: Bench, method: str, path: str) -> None:
    key = key_of("read", "write", "predict")
    assert (await ask(bench, method, path, key, json={})).status_code == 403


@pytest.mark.parametrize(("method", "path"), [PATHS[0], PATHS[3], PATHS[4]])
async def test_a_member_is_no_admin(bench: Bench, method: str, path: str) -> None:
    assert (await ask(bench, method, path, MEMBER, json={})).status_code == 403


async def test_another_tenants_recommendations_stay_unseen(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5, algorithm="collaborative")
    await generate(workshop)
    row = (await ask(bench, "GET", "/api/recommendations")).json()["data"][0]

    listed = (await ask(bench, "GET", "/api/recommendations", STRANGER)).json()
    assert (listed["data"], listed["total"]) == ([], 0)
    for method in ("GET", "DELETE"):
        answer = await ask(bench, method, f"/api/recommendations/{row['id']}", STRANGER)
        assert answer.status_code == 404
    assert (await ask(bench, "GET", f"/api/recommendations/{row['id']}")).json() == row


async def test_generating_fills_the_list_for_every_known_user(
    workshop: Workshop, bench: Bench, served: Any
) -> None:
    await workshop.load(5, algorithm="collaborative")
    await generate(workshop, algorithm="hybrid", userSegment="all", count=2)

    page = (await ask(bench, "GET", "/api/recommendations", params={"pageSize": 4})).json()

    assert (page["total"], page["page"], page["pageSize"], len(page["data"])) == (6, 1, 4, 4)
    first = page["data"][0]
    assert first["itemId"] == "movie-1"
    assert first["reason"] == 'Because of your interest in "movie-0".'
    assert first["metadata"] == {"title": "Movie No. 1"}
    assert first["createdAt"].endswith("Z")
    events = await served()
    assert {event.user_id for event in events} == {"ann", "ben", MEMBER.subject}
    assert sum(event.centiunits for event in events) == 3


async def test_a_recommendation_tells_what_is_briefly_said_of_the_item(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5, algorithm="collaborative")
    brief: dict[str, Any] = {
        "category": "Space opera",
        "price": 149.99,
        "tags": ["a", "b"],
        "isNew": True,
    }
    await workshop.item("movie-1", revision=3, **brief, plot="Long ago " * 100)
    await workshop.item("movie-1", revision=2, category="Of old")
    await bench.deliver(
        ItemDeleted(tenant_id=TENANT, occurred_at=MOMENT, item_id="movie-2", revision=9)
    )
    await generate(workshop, count=2)

    rows = (await ask(bench, "GET", "/api/recommendations")).json()["data"]

    told = {row["itemId"]: row["metadata"] for row in rows}
    assert told["movie-1"] == {"title": "Movie No. 1", **brief}
    assert told["movie-3"] == {"title": "movie-3"}
    assert "movie-2" not in told


async def test_generating_again_replaces_what_was_there(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5, algorithm="collaborative")
    await generate(workshop, count=3)
    await generate(workshop, count=1)

    assert (await ask(bench, "GET", "/api/recommendations")).json()["total"] == 3


async def test_the_list_is_filtered_by_user_and_algorithm(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5, algorithm="collaborative")
    await generate(workshop, count=2)

    async def total(**params: str) -> int:
        answer = await ask(bench, "GET", "/api/recommendations", params=params)
        number: int = answer.json()["total"]
        return number

    assert await total(userId="ann") == 2
    assert await total(userId="nobody") == 0
    assert await total(algorithm="collaborative", userId="ben") == 2
    assert await total(algorithm="popularity") == 0


async def test_a_member_reads_the_own_ones_alone(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5, algorithm="collaborative")
    await generate(workshop, count=2)

    own = (await ask(bench, "GET", "/api/recommendations/my", MEMBER)).json()
    everybody = (await ask(bench, "GET", "/api/recommendations")).json()["data"]
    foreign = next(row for row in everybody if row["userId"] == "ann")

    assert {row["userId"] for row in own["data"]} == {MEMBER.subject}
    assert own["total"] == 2
    path = f"/api/recommendations/{own['data'][0]['id']}"
    assert (await ask(bench, "GET", path, MEMBER)).status_code == 200
    path = f"/api/recommendations/{foreign['id']}"
    assert (await ask(bench, "GET", path, MEMBER)).status_code == 404


async def test_an_admin_deletes_one(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5, algorithm="collaborative")
    await generate(workshop, count=1)
    row = (await ask(bench, "GET", "/api/recommendations")).json()["data"][0]
    path = f"/api/recommendations/{row['id']}"

    assert (await ask(bench, "DELETE", path)).status_code == 204
    assert (await ask(bench, "DELETE", path)).status_code == 404
    assert (await ask(bench, "GET", path)).status_code == 404


async def test_an_erased_person_has_none_left(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5, algorithm="collaborative")
    await generate(workshop, count=1)
    await bench.deliver(PersonErased(tenant_id=TENANT, occurred_at=MOMENT, person_uid="ann"))

    rows = (await ask(bench, "GET", "/api/recommendations")).json()["data"]
    assert {row["userId"] for row in rows} == {"ben", MEMBER.subject}


async def test_the_answer_names_the_job(bench: Bench) -> None:
    answer = await ask(bench, "POST", "/api/recommendations/generate", json={})

    body = answer.json()
    assert answer.status_code == 202
    assert body["status"] == "processing"
    assert isinstance(body["jobId"], str)
    assert body["estimatedCompletionMs"] > 0


@pytest.mark.parametrize(
    "body",
    [
        {"algorithm": "magic"},
        {"count": 0},
        {"count": 101},
        {"count": "ten"},
        {"userSegment": "somebody"},
        {"userSegment": 5},
        [],
    ],
    ids=repr,
)
async def test_bad_values_begin_nothing(bench: Bench, body: Any) -> None:
    answer = await ask(bench, "POST", "/api/recommendations/generate", json=body)

    assert answer.status_code == 400
    generating: Generating = bench.app.state.generating
    assert not await generating.step()


@pytest.mark.parametrize("query", ["page=0", "pageSize=0", "pageSize=101", "page=x"])
async def test_a_page_that_cannot_be_is_refused(bench: Bench, query: str) -> None:
    for path in ("/api/recommendations", "/api/recommendations/my"):
        assert (await ask(bench, "GET", f"{path}?{query}")).status_code == 400


@pytest.mark.parametrize("odd", ["%00", "a%00b", "' OR 1=1", "🙂", "x" * 300])
async def test_an_odd_id_names_nothing(bench: Bench, odd: str) -> None:
    assert (await ask(bench, "GET", f"/api/recommendations/{odd}")).status_code == 404
    listed = await ask(bench, "GET", f"/api/recommendations?userId={odd}")
    assert listed.status_code in (200, 400)


async def requested(bench: Bench, **body: Any) -> str:
    """Return the id of a job that was asked for."""
    answer = await ask(bench, "POST", "/api/recommendations/generate", json=body)
    assert answer.status_code == 202
    uid: str = answer.json()["jobId"]
    return uid


async def told(bench: Bench, uid: str) -> list[tuple[str, float, str | None]]:
    """Return how a job was said to stand, oldest first."""
    events = await bench.emitted(GenerationChanged)
    return [(e.state, e.progress, e.error) for e in events if e.job_uid == uid]


async def test_a_job_tells_how_far_it_is(
    workshop: Workshop, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generating, "_USERS_AT_ONCE", 2)
    for user in ("ann", "ben", "cat", "dan"):
        await workshop.interact(user, "movie-0")
    uid = await requested(bench)
    assert await told(bench, uid) == [("running", 0.0, None)]
    while await bench.app.state.generating.step():
        pass

    assert await told(bench, uid) == [
        ("running", 0.0, None),
        ("running", 0.5, None),
        ("running", 0.99, None),
        ("completed", 1.0, None),
    ]
    assert (await bench.emitted(GenerationChanged))[-1].users_served == 4


async def test_a_job_without_users_is_completed(bench: Bench) -> None:
    uid = await requested(bench)
    assert await bench.app.state.generating.step()
    assert (await told(bench, uid))[-1] == ("completed", 1.0, None)


async def test_a_job_that_cannot_go_on_rests_and_holds_up_no_other(
    workshop: Workshop, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FrozenClock()
    monkeypatch.setattr(bench.database, "clock", clock)
    await workshop.interact("ann", "movie-0")
    workshop.scorers[5] = Unavailable("The blob store is away; try again.")
    await workshop.announce(5, algorithm="collaborative")
    blocked = await requested(bench, algorithm="collaborative")
    other = await requested(bench, algorithm="hybrid")
    steps = bench.app.state.generating
    while await steps.step():
        pass

    assert (await told(bench, other))[-1][0] == "completed"
    away = "The blob store is away; try again."
    assert await told(bench, blocked) == [("running", 0.0, None), ("running", 0.0, away)]
    del workshop.scorers[5]
    clock.advance(seconds=3)
    while await steps.step():
        pass
    assert (await told(bench, blocked))[-1] == ("completed", 1.0, None)


@pytest.mark.parametrize("failure", [Unavailable("It is away."), RuntimeError("a bug")])
async def test_a_job_that_never_gets_on_fails_and_says_why(
    workshop: Workshop, bench: Bench, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    clock = FrozenClock()
    monkeypatch.setattr(bench.database, "clock", clock)
    await workshop.interact("ann", "movie-0")

    async def failing(*_given: Any, **_rest: Any) -> None:
        raise failure

    monkeypatch.setattr(bench.app.state.recommender, "recommend", failing)
    uid = await requested(bench)
    steps = bench.app.state.generating
    for _ in range(2):
        assert await steps.step()
        clock.advance(minutes=11)

    assert not await steps.step()
    state, _progress, error = (await told(bench, uid))[-1]
    assert state == "failed"
    assert error


class Recommending:
    """Stands before the recommender: notes for whom it is asked, and waits where it is told to."""

    def __init__(self, plain: Any) -> None:
        self.plain = plain
        self.asked: list[tuple[str, str]] = []
        self.gate: asyncio.Event | None = None
        self.is_asked = asyncio.Event()

    async def __call__(self, tenant_id: str, user_id: str, **rest: Any) -> Any:
        self.asked.append((tenant_id, user_id))
        self.is_asked.set()
        if self.gate is not None:
            gate, self.gate = self.gate, None
            await gate.wait()
        return await self.plain(tenant_id, user_id, **rest)


@pytest.fixture
def recommending(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Recommending:
    found = Recommending(bench.app.state.recommender.recommend)
    monkeypatch.setattr(bench.app.state.recommender, "recommend", found)
    monkeypatch.setattr(generating, "_USERS_AT_ONCE", 1)
    return found


async def test_a_tenant_that_wants_much_lets_the_others_have_their_turns(
    workshop: Workshop, bench: Bench, recommending: Recommending
) -> None:
    for user in ("ann", "ben", "cat"):
        await workshop.interact(user, "movie-0")
        await workshop.interact(user, "movie-0", tenant_id=OTHER_TENANT)
    for algorithm in ("hybrid", "collaborative", "content-based"):
        await requested(bench, algorithm=algorithm)
    steps = bench.app.state.generating
    assert await steps.step()
    answer = await ask(bench, "POST", "/api/recommendations/generate", STRANGER, json={})
    assert answer.status_code == 202
    for _ in range(5):
        assert await steps.step()

    tenants = [tenant for tenant, _user in recommending.asked]
    assert tenants == [TENANT, OTHER_TENANT] * 3


async def test_what_one_process_is_at_another_one_does_not_repeat(
    workshop: Workshop, bench: Bench, recommending: Recommending, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FrozenClock()
    monkeypatch.setattr(bench.database, "clock", clock)
    await workshop.interact("ann", "movie-0")
    await requested(bench)
    gate = recommending.gate = asyncio.Event()
    one, other = bench.app.state.generating, copy(bench.app.state.generating)
    working = asyncio.create_task(one.step())
    await recommending.is_asked.wait()

    assert not await other.step()
    clock.advance(seconds=16)  # the first is silent for too long: its lease is over
    assert await other.step()
    gate.set()
    assert await working

    assert [user for _tenant, user in recommending.asked] == ["ann", "ann"]
    assert (await bench.emitted(GenerationChanged))[-1].users_served == 1


async def test_a_lease_is_prolonged_while_somebody_works(
    workshop: Workshop, bench: Bench, recommending: Recommending, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FrozenClock()
    monkeypatch.setattr(bench.database, "clock", clock)
    monkeypatch.setattr(generating, "_USERS_AT_ONCE", 3)
    for user in ("ann", "ben", "cat"):
        await workshop.interact(user, "movie-0")
    await requested(bench)
    plain = recommending.plain

    async def slow(*given: Any, **rest: Any) -> Any:
        clock.advance(seconds=9)
        assert not await copy(bench.app.state.generating).step()
        return await plain(*given, **rest)

    recommending.plain = slow
    assert await bench.app.state.generating.step()
    assert (await bench.emitted(GenerationChanged))[-1].users_served == 3


async def test_a_lease_of_a_clock_that_was_ahead_is_over(
    workshop: Workshop, bench: Bench, recommending: Recommending, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FrozenClock()
    monkeypatch.setattr(bench.database, "clock", clock)
    await workshop.interact("ann", "movie-0")
    await requested(bench)
    gate = recommending.gate = asyncio.Event()
    clock.advance(hours=1)
    working = asyncio.create_task(bench.app.state.generating.step())
    await recommending.is_asked.wait()
    clock.advance(hours=-1)

    assert await copy(bench.app.state.generating).step()
    gate.set()
    await working
    assert [user for _tenant, user in recommending.asked] == ["ann", "ann"]


async def test_the_same_wish_again_joins_the_job_that_is_open(bench: Bench) -> None:
    first = await requested(bench, algorithm="hybrid", count=5)

    assert await requested(bench, algorithm="hybrid", count=5) == first
    assert await requested(bench, algorithm="collaborative", count=5) != first
    assert len(await told(bench, first)) == 1


async def test_another_wish_takes_the_open_ones_place(workshop: Workshop, bench: Bench) -> None:
    await workshop.interact("ann", "movie-0")
    before = await requested(bench, algorithm="hybrid", count=5)
    after = await requested(bench, algorithm="hybrid", count=2)
    while await bench.app.state.generating.step():
        pass

    state, _progress, error = (await told(bench, before))[-1]
    assert (state, error) == ("failed", "A newer request for this algorithm took its place.")
    assert (await told(bench, after))[-1][0] == "completed"


async def test_two_tenants_wishes_have_nothing_to_do_with_each_other(bench: Bench) -> None:
    first = await requested(bench)
    answer = await ask(bench, "POST", "/api/recommendations/generate", STRANGER, json={"count": 3})

    assert answer.json()["jobId"] != first
    assert [state for state, *_rest in await told(bench, first)] == ["running"]


async def test_jobs_that_were_over_long_ago_are_forgotten_and_their_rows_stay(
    workshop: Workshop, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FrozenClock()
    monkeypatch.setattr(bench.database, "clock", clock)
    await workshop.load(5, algorithm="collaborative")
    await generate(workshop, count=1)
    clock.advance(days=89)
    assert await recommendations.prune(bench.database, keep=timedelta(days=90)) == 0
    await requested(bench)
    clock.advance(days=2)

    assert await recommendations.prune(bench.database, keep=timedelta(days=90)) == 1
    clock.advance(days=200)
    assert await recommendations.prune(bench.database, keep=timedelta(days=90)) == 0
    assert (await ask(bench, "GET", "/api/recommendations")).json()["total"] == 3
