from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any
from uuid import UUID

import httpx
import pytest

from chassis.testing import ADMIN, MEMBER, OTHER_TENANT, STRANGER, TENANT, Bench, key_of
from chassis.testing.ids import NO_IDS
from contracts.catalog import ProjectChanged, ProjectDeleted
from contracts.models import ModelRetired
from inference.domain.slots import share_of
from inference.tests.conftest import MOMENT, Workshop
from inference.tests.doubles import NeighbourScorer

KEY = key_of("predict")


async def post(bench: Bench, path: str, body: Any, caller: Any = KEY) -> httpx.Response:
    async with bench.as_caller(caller) as client:
        return await client.post(f"/inference/predict/{path}", json=body)


async def test_a_stranger_is_refused(bench: Bench) -> None:
    for path in ("5", "5/batch", "project/1"):
        assert (await post(bench, path, {"user_id": "ann"}, None)).status_code == 401


async def test_another_tenants_model_is_not_found(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5)

    answer = await post(bench, "5", {"user_id": "ann"}, STRANGER)

    assert answer.status_code == 404
    assert answer.json()["detail"] == "Model 5 not found"


async def test_a_key_is_for_its_own_project(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5)
    await workshop.load(6, project_id=None, algorithm="collaborative")
    await workshop.slot(3, 5)
    other = key_of("predict", project=2)

    for path, body in (
        ("5", {"user_id": "ann"}),
        ("6", {"user_id": "ann"}),
        ("5/batch", {"user_ids": ["ann"]}),
    ):
        answer = await post(bench, path, body, other)
        assert answer.status_code == 403
        assert answer.json()["detail"] == "API key not authorized for this model's project"
    answer = await post(bench, "project/1", {"user_id": "ann"}, other)
    assert answer.status_code == 403
    assert answer.json()["detail"] == "API key not authorized for this project"


async def test_another_tenants_project_and_none_at_all_are_not_told_apart(
    workshop: Workshop, bench: Bench
) -> None:
    foreign = key_of("predict", project=2, tenant_id=OTHER_TENANT)

    for path, caller in (("project/1", foreign), ("project/9", key_of("predict", project=2))):
        answer = await post(bench, path, {"user_id": "ann"}, caller)
        assert answer.status_code == 404
        assert answer.json()["detail"] == "No active deployment slots for project"


async def test_a_deleted_project_is_nobodys(workshop: Workshop, bench: Bench) -> None:
    await bench.deliver(ProjectDeleted(tenant_id=TENANT, occurred_at=MOMENT, project_id=1))

    answer = await post(bench, "project/1", {"user_id": "ann"}, key_of("predict", project=2))
    assert answer.status_code == 404


async def test_a_project_of_another_member_answers_its_owner_and_administrators_alone(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(7, project_id=2)
    await bench.deliver(
        ProjectChanged(
            tenant_id=TENANT,
            occurred_at=bench.database.clock(),
            project_id=2,
            name="Bob's",
            is_default=False,
            owner_id=MEMBER.person_id,
            user_column="u",
            item_column="i",
        )
    )
    fellow = replace(MEMBER, subject="fellow-uid", person_id=3)
    for path in ("7", "project/2"):
        refused = await post(bench, path, {"user_id": "ann"}, fellow)
        absent = await post(bench, path.replace("7", "99").replace("2", "99"), {}, fellow)
        assert refused.status_code == 404
        assert absent.status_code in {404, 422}
    for caller in (MEMBER, ADMIN):
        assert (await post(bench, "7", {"user_id": "ann"}, caller)).status_code == 200


async def test_a_key_needs_the_scope_predict(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5)

    answer = await post(bench, "5", {"user_id": "ann"}, key_of("read", "write"))

    assert answer.status_code == 403
    assert answer.json()["detail"] == "API key does not have 'predict' scope"


async def test_a_known_user_gets_unseen_items_best_first(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5)

    answer = await post(bench, "5", {"user_id": "ann", "cutoff": 3})

    assert answer.status_code == 200
    body = answer.json()
    assert body["model_id"] == 5
    assert UUID(body["request_id"]).version == 4
    assert [row["item_id"] for row in body["items"]] == ["movie-2", "movie-3", "movie-4"]
    scores = [row["score"] for row in body["items"]]
    assert scores == sorted(scores, reverse=True)


async def test_ten_items_are_the_default(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5)

    answer = await post(bench, "5", {"user_id": "ben"}, MEMBER)

    assert len(answer.json()["items"]) == 7  # all but the one that was seen


async def test_an_unknown_user_alone_is_not_found(
    workshop: Workshop, bench: Bench, served: Any
) -> None:
    await workshop.load(5)

    answer = await post(bench, "5", {"user_id": "zz"})

    assert answer.status_code == 404
    assert answer.json()["detail"] == "User 'zz' not found in model"
    assert await served() == []


async def test_a_user_becomes_known_by_an_interaction(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5)
    await workshop.interact("zz", "movie-4")

    answer = await post(bench, "5", {"user_id": "zz", "cutoff": 1})

    assert [row["item_id"] for row in answer.json()["items"]] == ["movie-5"]


async def test_an_interaction_changes_a_trained_users_answer(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5)
    await post(bench, "5", {"user_id": "ann"})
    await workshop.interact("ann", "movie-2")

    answer = await post(bench, "5", {"user_id": "ann"})

    named = [row["item_id"] for row in answer.json()["items"]]
    assert not {"movie-0", "movie-1", "movie-2"} & set(named)


async def test_a_batch_keeps_its_order_and_unknown_users_get_nothing(
    workshop: Workshop, bench: Bench, served: Any
) -> None:
    await workshop.load(5)

    answer = await post(bench, "5/batch", {"user_ids": ["zz", "ben", "ann"], "cutoff": 1})

    results = answer.json()["results"]
    assert [[row["item_id"] for row in result["items"]] for result in results] == [
        [],
        ["movie-5"],
        ["movie-2"],
    ]
    assert {result["model_id"] for result in results} == {5}
    events = await served()
    assert [event.user_id for event in events] == ["zz", "ben", "ann"]
    assert [event.request_id for event in events] == [r["request_id"] for r in results]
    assert sum(event.centiunits for event in events) == 300


async def test_a_batch_has_at_most_a_hundred_users(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5)

    assert (await post(bench, "5/batch", {"user_ids": ["ann"] * 100})).status_code == 200
    answer = await post(bench, "5/batch", {"user_ids": ["ann"] * 101})

    assert answer.status_code == 422
    assert answer.json()["detail"] == "Maximum 100 users per batch"
    assert (await post(bench, "5/batch", {"user_ids": []})).json() == {"results": []}


async def test_a_project_answers_through_a_slot(
    workshop: Workshop, bench: Bench, served: Any
) -> None:
    await workshop.load(5)
    await workshop.slot(3, 5)

    answer = await post(bench, "project/1", {"user_id": "ann", "cutoff": 1})

    body = answer.json()
    assert (body["slot_id"], body["slot_name"], body["model_id"]) == (3, "slot-3", 5)
    [event] = await served()
    assert event.request_id == body["request_id"]
    assert (event.slot_id, event.project_id, event.model_id) == (3, 1, 5)
    assert (event.item_ids, event.centiunits, event.operation) == (["movie-2"], 100, "predict")


async def test_a_project_without_an_active_slot_is_not_found(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5)
    await workshop.slot(3, 5, weight=0.0)
    await workshop.slot(4, 5, is_active=False)
    await workshop.slot(6, 99)

    answer = await post(bench, "project/1", {"user_id": "ann"})

    assert answer.status_code == 404
    assert answer.json()["detail"] == "No active deployment slots for project"


async def test_another_tenants_slots_do_not_answer(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5)
    await workshop.slot(3, 5)
    await workshop.slot(4, 5, tenant_id=OTHER_TENANT)

    stranger = key_of("predict", tenant_id=OTHER_TENANT)
    assert (await post(bench, "project/1", {"user_id": "ann"}, stranger)).status_code == 404


async def test_slots_share_the_traffic_by_weight(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5)
    await workshop.slot(3, 5, weight=80.0)
    await workshop.slot(4, 5, weight=20.0)

    drawn = Counter(
        [(await post(bench, "project/1", {"user_id": "ann"})).json()["slot_id"] for _ in range(300)]
    )

    assert 190 < drawn[3] < 280
    assert drawn[3] + drawn[4] == 300


async def test_a_user_stays_in_one_arm_while_a_test_runs(workshop: Workshop, bench: Bench) -> None:
    users = {f"user-{n}": ("movie-0",) for n in range(40)}
    workshop.scorers[5] = NeighbourScorer(users=users)
    await workshop.load(5)
    await workshop.slot(3, 5, weight=50.0)
    await workshop.slot(4, 5, weight=50.0)
    await workshop.ab_test(3, 4, running=True, revision=1)

    arms = {
        user: {
            (await post(bench, "project/1", {"user_id": user})).json()["slot_id"] for _ in range(5)
        }
        for user in users
    }

    assert all(len(arm) == 1 for arm in arms.values())
    assert len(set.union(*arms.values())) == 2


@pytest.mark.parametrize(
    "order", list(permutations(("slot 3", "slot 4", "edit", "start"))), ids=str
)
async def test_arms_are_those_of_the_start_in_whatever_order_a_replica_learns_of_it(
    workshop: Workshop, bench: Bench, order: Sequence[str]
) -> None:
    users = {f"user-{n}": ("movie-0",) for n in range(20)}
    workshop.scorers[5] = NeighbourScorer(users=users)
    await workshop.load(5)
    told = {
        "slot 3": lambda: workshop.slot(3, 5, weight=50.0),
        "slot 4": lambda: workshop.slot(4, 5, weight=50.0),
        "edit": lambda: workshop.slot(3, 5, weight=0.0, revision=2),
        "start": lambda: workshop.ab_test(
            *(3, 4),
            running=True,
            revision=1,
            deal_test_id=1,
            control_weight=50.0,
            variant_weight=50.0,
            control_low=0.0,
            control_high=0.5,
        ),
    }

    for word in order:
        await told[word]()

    for user in users:
        answer = await post(bench, "project/1", {"user_id": user})
        assert answer.json()["slot_id"] == (3 if share_of(1, user) < 0.5 else 4)
    await workshop.ab_test(3, 4, running=False, revision=2)
    answers = [await post(bench, "project/1", {"user_id": user}) for user in users]
    assert {answer.json()["slot_id"] for answer in answers} == {4}


async def test_an_older_revision_of_a_slot_changes_nothing(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.load(5)
    await workshop.slot(3, 5, revision=2)
    await workshop.slot(3, 5, is_active=False, revision=1)

    assert (await post(bench, "project/1", {"user_id": "ann"})).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "ann",
        {"user_id": 42},
        {"user_id": None},
        {"user_id": ""},
        {"user_id": "x" * 513},
        {"user_id": "ann", "cutoff": 0},
        {"user_id": "ann", "cutoff": 1001},
        {"user_id": "ann", "cutoff": -1},
        {"user_id": "ann", "cutoff": "10"},
        {"user_id": "ann", "cutoff": 1.5},
        {"user_id": "ann", "cutoff": True},
        {"user_id": "ann", "cutoff": 10**30},
        {"user_id": ["ann"]},
    ],
    ids=repr,
)
async def test_bad_values_are_refused(workshop: Workshop, bench: Bench, body: Any) -> None:
    await workshop.load(5)
    await workshop.slot(3, 5)

    for path in ("5", "project/1"):
        answer = await post(bench, path, body)
        assert answer.status_code == 422
        assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b'{"user_id": "\\ud800"}', b"[" * 5000, b'{"user_id": NaN}'],
    ids=repr,
)
async def test_what_is_no_json_is_malformed(
    workshop: Workshop, bench: Bench, content: bytes
) -> None:
    await workshop.load(5)

    async with bench.as_caller(KEY) as client:
        answer = await client.post("/inference/predict/5", content=content)

    assert answer.status_code in (400, 422)
    assert answer.json()["status"] == answer.status_code


@pytest.mark.parametrize("path", ["0", "-1", "abc", "1e3", "9" * 30, "%00", "project/abc"])
async def test_what_is_no_id_names_nothing(bench: Bench, path: str) -> None:
    assert (await post(bench, path, {"user_id": "ann"})).status_code == 404


@pytest.mark.parametrize("user", ["🙂", "' OR 1=1 --", "__proto__", "../x", "x/", "%2F"])
async def test_an_odd_user_is_just_unknown(workshop: Workshop, bench: Bench, user: str) -> None:
    await workshop.load(5)

    assert (await post(bench, "5", {"user_id": user})).status_code == 404
    batch = await post(bench, "5/batch", {"user_ids": [user]})
    assert batch.json()["results"][0]["items"] == []


@pytest.mark.parametrize("user", NO_IDS, ids=ascii)
async def test_what_is_no_id_of_a_user_is_refused(
    workshop: Workshop, bench: Bench, user: str
) -> None:
    await workshop.load(5)
    await workshop.slot(3, 5)

    for path in ("5", "project/1"):
        assert (await post(bench, path, {"user_id": user})).status_code == 422
    assert (await post(bench, "5/batch", {"user_ids": ["ann", user]})).status_code == 422


async def test_anybody_may_ask_what_is_loaded(workshop: Workshop, bench: Bench) -> None:
    async with bench.as_caller(None) as client:
        empty = await client.get("/inference/models")
        await workshop.load(5)
        await workshop.load(7)

        assert empty.json() == {"models": [], "count": 0}
        assert (await client.get("/inference/models/")).json() == {"models": [5, 7], "count": 2}
        health = await client.get("/inference/health")
        assert health.json() == {"status": "healthy", "loaded_models": 2}


async def test_a_deleted_model_is_not_found(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5)
    await bench.deliver(ModelRetired(tenant_id=TENANT, occurred_at=MOMENT, model_id=5))

    assert (await post(bench, "5", {"user_id": "ann"})).status_code == 404
