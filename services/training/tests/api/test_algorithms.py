"""`/api/v1/algorithms`: where they stand, training on request, and training by themselves."""

from typing import Any

import pytest

from chassis.testing import ADMIN, OTHER_TENANT, STRANGER, TENANT, Bench, FrozenClock, key_of
from contracts.models import ModelReady, ModelRetired
from training.domain.algorithms import Rhythm
from training.domain.jobs import State
from training.operations import algorithms
from training.store import interactions as interactions_store
from training.store import jobs as job_store
from training.tests.standins import (
    FakeCompute,
    interactions,
    item_changed,
    know,
    loaded,
    refused,
    result,
    run_everything,
    runner_of,
    serve,
)

ALGORITHMS = "/api/v1/algorithms"
RHYTHM = Rhythm()


async def standing(bench: Bench, name: str) -> dict[str, Any]:
    """Return where an algorithm stands."""
    rows = (await bench.as_caller(ADMIN).get(ALGORITHMS)).json()
    return next(row for row in rows if row["name"] == name)


async def consider(bench: Bench) -> int:
    """Return how many trainings are due and begin."""
    return await algorithms.consider_all(bench.database, RHYTHM)


async def test_a_stranger_is_refused(bench: Bench) -> None:
    client = bench.as_caller(None)
    assert (await client.get(ALGORITHMS)).status_code == 401
    assert (await client.post(f"{ALGORITHMS}/collaborative/train")).status_code == 401


async def test_another_tenants_interactions_train_nothing_here(bench: Bench) -> None:
    await know(bench, *interactions(100))
    other = bench.as_caller(STRANGER)
    answer = await other.post(f"{ALGORITHMS}/collaborative/train")
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    rows = (await other.get(ALGORITHMS)).json()
    assert rows[0]["interactions_until_training"] == 100


async def test_a_key_needs_the_scope(bench: Bench) -> None:
    client = bench.as_caller(key_of("read"))
    assert (await client.get(ALGORITHMS)).status_code == 200
    assert (await client.post(f"{ALGORITHMS}/collaborative/train")).status_code == 403


async def test_a_new_tenants_algorithms_wait(bench: Bench) -> None:
    rows = (await bench.as_caller(ADMIN).get(ALGORITHMS)).json()
    assert [(row["name"], row["status"]) for row in rows] == [
        ("collaborative", "waiting"),
        ("content-based", "waiting"),
        ("hybrid", "waiting"),
        ("deep-learning", "unavailable"),
    ]
    expected = {"model_version": None, "trained_at": None, "interactions_seen": 0}
    assert rows[0].items() >= (expected | {"next_training": None}).items()


async def test_training_on_request_makes_the_next_version(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    await know(bench, *interactions(10))
    compute.play(result(rows=10, learner="DenseSLIMRecommender"))
    answer = await bench.as_caller(ADMIN).post(f"{ALGORITHMS}/collaborative/train")
    assert answer.status_code == 202
    assert (answer.json()["status"], answer.json()["kind"]) == ("submitted", "algorithm")
    assert (await standing(bench, "collaborative"))["status"] == "queued"
    await run_everything(bench)
    await serve(bench)
    row = await standing(bench, "collaborative")
    assert (row["status"], row["model_version"]) == ("ready", "collaborative-1")
    assert row["interactions_seen"] == 10
    assert row["trained_at"] == clock().isoformat().replace("+00:00", "Z")
    assert (await standing(bench, "hybrid"))["model_version"] == "collaborative-1"
    [ready] = await bench.emitted(ModelReady)
    assert (ready.algorithm, ready.version) == ("collaborative", "collaborative-1")
    assert (ready.project_id, ready.interactions_seen) == (None, 10)
    [spec] = compute.specs
    assert spec["learner"] == "collaborative"
    assert "items" not in spec
    models = (await bench.as_caller(ADMIN).get("/api/v1/trained_model/")).json()
    assert models["count"] == 0


async def test_asking_twice_starts_one_training(bench: Bench) -> None:
    await know(bench, *interactions(10))
    client = bench.as_caller(ADMIN)
    path = f"{ALGORITHMS}/collaborative/train"
    first, second = (await client.post(path)).json(), (await client.post(path)).json()
    assert first["job_id"] == second["job_id"]


async def test_the_hybrid_trains_its_members(bench: Bench) -> None:
    await know(bench, *interactions(10), item_changed("item-1", title="One"))
    answer = await bench.as_caller(ADMIN).post(f"{ALGORITHMS}/hybrid/train")
    assert answer.status_code == 202
    assert len(answer.json()["jobs"]) == 2
    assert (await standing(bench, "collaborative"))["status"] == "queued"
    assert (await standing(bench, "content-based"))["status"] == "queued"


async def test_content_is_trained_on_what_items_say(bench: Bench, compute: FakeCompute) -> None:
    client = bench.as_caller(ADMIN)
    await know(bench, *interactions(10))
    assert (await client.post(f"{ALGORITHMS}/content-based/train")).status_code == 409
    await know(bench, item_changed("item-1", title="One"))
    compute.play(result())
    assert (await client.post(f"{ALGORITHMS}/content-based/train")).status_code == 202
    await run_everything(bench)
    assert compute.specs[0]["items"]["key"].startswith(f"{TENANT}/exports/")


async def test_what_does_not_exist_is_not_trained(bench: Bench) -> None:
    client = bench.as_caller(ADMIN)
    assert (await client.post(f"{ALGORITHMS}/alchemy/train")).status_code == 404
    assert (await client.post(f"{ALGORITHMS}/deep-learning/train")).status_code == 409


async def test_the_first_interactions_train_by_themselves(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    await know(bench, *interactions(99))
    clock.advance(seconds=3)
    assert await consider(bench) == 0
    await know(bench, *interactions(1, first=100))
    assert await consider(bench) == 0  # the burst is not over
    clock.advance(seconds=3)
    assert await consider(bench) == 1
    assert await consider(bench) == 0
    compute.play(result(rows=100))
    await run_everything(bench)
    await serve(bench)
    assert (await standing(bench, "collaborative"))["model_version"] == "collaborative-1"


async def test_few_people_are_not_enough(bench: Bench, clock: FrozenClock) -> None:
    await know(bench, *interactions(200, users=4))
    clock.advance(seconds=3)
    assert await consider(bench) == 0
    await know(bench, *interactions(1, users=1, first=1000, tenant_id=OTHER_TENANT))
    clock.advance(seconds=3)
    assert await consider(bench) == 0


async def test_growth_trains_again_and_old_versions_are_retired(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    first = 1
    for version in range(1, 6):
        await know(bench, *interactions(100 * version, first=first))
        first += 100 * version
        clock.advance(minutes=2)
        assert await consider(bench) == 1
        compute.play(result(rows=first - 1))
        await run_everything(bench)
        await serve(bench)
    row = await standing(bench, "collaborative")
    assert (row["model_version"], row["interactions_seen"]) == ("collaborative-5", 1500)
    ready = [event.model_id for event in await bench.emitted(ModelReady)]
    assert [event.model_id for event in await bench.emitted(ModelRetired)] == ready[:2]


async def test_a_model_no_better_than_popularity_answers_who_names_its_algorithm(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    await know(bench, *interactions(100))
    client = bench.as_caller(ADMIN)
    for beats in (True, False):
        compute.play(result(metrics={"beats_popularity": beats}))
        await client.post(f"{ALGORITHMS}/collaborative/train")
        await run_everything(bench)
    await serve(bench)
    row = await standing(bench, "collaborative")
    assert (row["status"], row["model_version"]) == ("ready", "collaborative-2")
    assert row["detail"] == "collaborative-2 did not beat popularity: hybrid leaves it out."
    hybrid = await standing(bench, "hybrid")
    assert (hybrid["status"], hybrid["model_version"]) == ("ready", "collaborative-1")
    told = [event.deploys_itself for event in await bench.emitted(ModelReady)]
    assert told == [True, False]


@pytest.mark.parametrize(
    ("metrics", "detail"),
    [
        (
            {"measured": True, "beats_popularity": False},
            "collaborative-1 did not beat popularity: hybrid leaves it out.",
        ),
        (
            {"measured": False},
            "hybrid leaves collaborative-1 out: there is too little data to tell if it beats "
            "popularity.",
        ),
    ],
)
async def test_hybrid_leaves_out_what_does_not_beat_popularity(
    bench: Bench, compute: FakeCompute, metrics: dict[str, Any], detail: str
) -> None:
    await know(bench, *interactions(10))
    compute.play(result(rows=10, metrics=metrics))
    await bench.as_caller(ADMIN).post(f"{ALGORITHMS}/collaborative/train")
    await run_everything(bench)
    await serve(bench)
    row = await standing(bench, "collaborative")
    assert (row["status"], row["detail"]) == ("ready", detail)
    assert (row["model_version"], row["interactions_seen"]) == ("collaborative-1", 10)
    hybrid = await standing(bench, "hybrid")
    assert (hybrid["status"], hybrid["model_version"]) == ("waiting", None)


async def test_models_that_never_served_drive_out_none_that_does(
    bench: Bench, compute: FakeCompute
) -> None:
    await know(bench, *interactions(10))
    for beats in (True, False, False, False):
        compute.play(result(metrics={"beats_popularity": beats}))
        await bench.as_caller(ADMIN).post(f"{ALGORITHMS}/collaborative/train")
        await run_everything(bench)
    await serve(bench)
    ready = [event.model_id for event in await bench.emitted(ModelReady)]
    assert [event.model_id for event in await bench.emitted(ModelRetired)] == [ready[1]]
    assert (await standing(bench, "hybrid"))["model_version"] == "collaborative-1"


async def test_a_failed_training_says_why_and_waits_for_news(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    await know(bench, *interactions(100))
    clock.advance(seconds=3)
    compute.play(result(refused="nothing to learn"))
    assert await consider(bench) == 1
    await run_everything(bench)
    row = await standing(bench, "collaborative")
    assert (row["status"], row["detail"]) == ("failed", "nothing to learn")
    clock.advance(hours=1)
    assert await consider(bench) == 0


async def test_exports_are_gone_when_the_training_is_over(
    bench: Bench, compute: FakeCompute
) -> None:
    await know(bench, *interactions(10))
    compute.play(result())
    await bench.as_caller(ADMIN).post(f"{ALGORITHMS}/collaborative/train")
    await run_everything(bench)
    await runner_of(bench).idle()
    blobs = (bench.service.settings.home / "blobs" / TENANT).rglob("*.parquet")
    assert list(blobs) == []


async def trained(bench: Bench, compute: FakeCompute, *, rows: int = 10) -> ModelReady:
    """Return the announcement of the algorithm's next model, which is fit to serve."""
    compute.play(result(rows=rows))
    await bench.as_caller(ADMIN).post(f"{ALGORITHMS}/collaborative/train")
    await run_everything(bench)
    ready: ModelReady = (await bench.emitted(ModelReady))[-1]
    return ready


async def test_a_model_is_ready_only_once_inference_serves_it(
    bench: Bench, compute: FakeCompute
) -> None:
    await know(bench, *interactions(10))
    first = await trained(bench, compute)
    row = await standing(bench, "collaborative")
    assert (row["status"], row["model_version"]) == ("loading", None)
    assert row["detail"] == "collaborative-1 is trained and not loaded yet."
    assert (await standing(bench, "hybrid"))["status"] == "loading"

    await bench.deliver(loaded(first))
    row = await standing(bench, "collaborative")
    assert (row["status"], row["model_version"], row["detail"]) == (
        "ready",
        "collaborative-1",
        None,
    )
    second = await trained(bench, compute, rows=20)
    row = await standing(bench, "collaborative")
    assert (row["status"], row["model_version"]) == ("loading", "collaborative-1")
    assert row["interactions_seen"] == 10
    await bench.deliver(loaded(second))
    row = await standing(bench, "collaborative")
    assert (row["status"], row["model_version"]) == ("ready", "collaborative-2")


async def test_a_refused_model_says_so_and_the_one_before_goes_on(
    bench: Bench, compute: FakeCompute
) -> None:
    await know(bench, *interactions(10))
    await bench.deliver(loaded(await trained(bench, compute)))
    second = await trained(bench, compute)
    await bench.deliver(refused(second, "proof row 0: score 0.0 instead of -0.4"))
    row = await standing(bench, "collaborative")
    assert (row["status"], row["model_version"]) == ("refused", "collaborative-1")
    assert row["detail"] == (
        "collaborative-2 cannot be served: proof row 0: score 0.0 instead of -0.4. "
        "collaborative-1 goes on answering."
    )
    await bench.deliver(loaded(second))
    row = await standing(bench, "collaborative")
    assert (row["status"], row["model_version"], row["detail"]) == (
        "ready",
        "collaborative-2",
        None,
    )


async def test_a_first_model_that_is_refused_is_not_named(
    bench: Bench, compute: FakeCompute
) -> None:
    await know(bench, *interactions(10))
    await bench.deliver(refused(await trained(bench, compute), "it is damaged"))
    row = await standing(bench, "collaborative")
    assert (row["status"], row["model_version"]) == ("refused", None)
    assert row["detail"] == "collaborative-1 cannot be served: it is damaged."
    assert (await standing(bench, "hybrid"))["status"] == "refused"


async def test_however_many_are_refused_the_one_that_answers_is_kept(
    bench: Bench, compute: FakeCompute
) -> None:
    await know(bench, *interactions(10))
    await bench.deliver(loaded(await trained(bench, compute)))
    for _ in range(4):
        await bench.deliver(refused(await trained(bench, compute)))
    row = await standing(bench, "collaborative")
    assert (row["status"], row["model_version"]) == ("refused", "collaborative-1")


async def test_another_tenants_word_changes_nothing(bench: Bench, compute: FakeCompute) -> None:
    await know(bench, *interactions(10))
    first = await trained(bench, compute)
    await bench.deliver(loaded(first))
    await bench.deliver(refused(first.model_copy(update={"tenant_id": OTHER_TENANT})))
    assert (await standing(bench, "collaborative"))["status"] == "ready"


async def test_each_look_is_at_those_with_news_and_now_and_then_at_all(
    bench: Bench, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[list[str]] = []
    plain = interactions_store.tallies

    async def tallies(*given: Any, **rest: Any) -> Any:
        found = await plain(*given, **rest)
        if "since" in rest:
            looked_at.append([tally.tenant_id for tally in found])
        return found

    monkeypatch.setattr(interactions_store, "tallies", tallies)
    considering = algorithms.Considering(bench.database, RHYTHM)
    await know(bench, *interactions(10, tenant_id=OTHER_TENANT))
    assert await considering.look() == 0
    clock.advance(minutes=10)
    await know(bench, *interactions(100))
    assert await considering.look() == 0  # all again, and the burst is not over
    clock.advance(seconds=3)
    assert await considering.look() == 1

    assert [sorted(tenants) for tenants in looked_at] == [
        [OTHER_TENANT],
        [TENANT, OTHER_TENANT],
        [TENANT],
    ]
    clock.advance(hours=-2)
    await considering.look()
    assert sorted(looked_at[-1]) == [TENANT, OTHER_TENANT]


async def test_what_comes_while_a_training_is_too_recent_is_learnt_later(
    bench: Bench, clock: FrozenClock
) -> None:
    considering = algorithms.Considering(bench.database, RHYTHM)
    await know(bench, *interactions(100))
    clock.advance(seconds=3)
    assert await considering.look() == 1
    async with bench.database.transaction(tenant_id=None) as tx:
        [job] = await job_store.jobs.all(tx)
        await job_store.end(tx, [job.id], state=State.CANCELLED, error="", now=clock())
    await know(bench, *interactions(50, first=101))
    clock.advance(seconds=30)
    assert await considering.look() == 0
    clock.advance(seconds=29)
    assert await considering.look() == 0
    clock.advance(seconds=2)

    assert await considering.look() == 1
