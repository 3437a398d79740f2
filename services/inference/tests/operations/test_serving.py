import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from chassis import deadline
from chassis.problems import Conflict, NotFound, Unavailable
from inference.domain.models import Model, ModelMissing, ModelRefused
from inference.operations.patience import wait_until
from inference.operations.preloading import Preloading
from inference.operations.serving import Shelf
from inference.scorers import Scorer
from inference.tests.doubles import NeighbourScorer


def model(model_id: int, *, algorithm: str | None = "hybrid", size: int = 1000) -> Model:
    return Model(
        model_id=model_id,
        tenant_id="tenant",
        project_id=1,
        algorithm=algorithm,
        version=f"v{model_id}",
        learner="double",
        artefact_key=f"key-{model_id}",
        artefact_digest="0" * 64,
        artefact_bytes=size,
    )


class Store:
    """Hands out scorers as told, each as often as it is asked for."""

    def __init__(self) -> None:
        self.outcomes: dict[int, list[Exception]] = {}
        self.loads: list[int] = []
        self.refusals: list[tuple[int, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self, wanted: Model) -> Scorer:
        self.loads.append(wanted.model_id)
        await self.gate.wait()
        if self.outcomes.get(wanted.model_id):
            raise self.outcomes[wanted.model_id].pop(0)
        return NeighbourScorer(nbytes=wanted.artefact_bytes)

    async def refuse(self, refused: Model, reason: str) -> None:
        self.refusals.append((refused.model_id, reason))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def shelf(store: Store) -> Shelf:
    return Shelf(store.load, capacity=3000, on_refusal=store.refuse)


def announce(shelf: Shelf, *models: Model) -> None:
    for each in models:
        shelf.announce(each)


async def until(holds: Callable[[], bool]) -> None:
    assert await wait_until(holds, seconds=5)


async def answering_id(shelf: Shelf) -> int | None:
    serving = await shelf.answering("tenant", "hybrid")
    return serving.model.model_id if serving else None


async def test_who_needs_a_model_waits_until_the_deadline_and_is_told_to_come_back(
    shelf: Shelf, store: Store
) -> None:
    announce(shelf, model(1))
    store.gate.clear()
    with deadline.due_in(0.0), pytest.raises(Unavailable) as told:
        await shelf.answering("tenant", "hybrid", is_named=True)

    assert told.value.code_constant == "MODEL_LOADING"
    assert int(told.value.headers["Retry-After"]) > 0
    store.gate.set()
    with deadline.due_in(30.0):
        found = await shelf.answering("tenant", "hybrid", is_named=True)
    assert found is not None
    assert store.loads == [1]


async def test_who_can_do_without_a_model_gets_none_in_time(shelf: Shelf, store: Store) -> None:
    announce(shelf, model(1))
    store.gate.clear()
    with deadline.due_in(0.0):
        assert await shelf.answering("tenant", "hybrid") is None


async def test_who_needs_a_model_gets_no_older_one_while_the_newest_loads(
    shelf: Shelf, store: Store
) -> None:
    announce(shelf, model(1), model(2))
    store.gate.clear()
    with deadline.due_in(0.0), pytest.raises(Unavailable):
        await shelf.answering("tenant", "hybrid", is_named=True)

    assert store.loads == [2]


async def test_who_needs_a_model_gets_an_older_one_where_the_newest_cannot_be_served(
    shelf: Shelf, store: Store
) -> None:
    store.outcomes[3] = [ModelRefused("altered")]
    store.outcomes[2] = [ModelMissing("lost")]
    announce(shelf, model(1), model(2), model(3))

    found = await shelf.answering("tenant", "hybrid", is_named=True)

    assert found is not None
    assert found.model.model_id == 1


async def test_a_model_that_was_let_go_is_waited_for(store: Store) -> None:
    shelf = Shelf(store.load, capacity=1000, on_refusal=store.refuse)
    announce(shelf, model(1), model(2, algorithm="other"))
    for _ in range(2):
        for name, expected in (("hybrid", 1), ("other", 2)):
            found = await shelf.answering("tenant", name, is_named=True)
            assert found is not None
            assert (found.model.model_id, shelf.loaded_ids) == (expected, [expected])


async def test_each_load_is_told_and_no_failure(store: Store) -> None:
    told: list[int] = []
    shelf = Shelf(
        store.load,
        capacity=1000,
        on_refusal=store.refuse,
        on_load=lambda loaded: told.append(loaded.model_id),
    )
    store.outcomes[3] = [ModelRefused("altered")]
    announce(shelf, *(model(n, algorithm=None) for n in (1, 2, 3)))
    await shelf.named(1)
    await shelf.named(2)
    with pytest.raises(Conflict):
        await shelf.named(3)
    await shelf.named(1)

    assert told == [1, 2, 1]


async def test_preloading_proves_each_model_once_though_memory_has_no_room_for_it(
    store: Store,
) -> None:
    shelf = Shelf(store.load, capacity=1000, on_refusal=store.refuse)
    told = {2}

    async def is_told(asked: Model) -> bool:
        return asked.model_id in told

    preloading = Preloading(shelf, is_told=is_told)
    await preloaded(shelf, *(model(n, algorithm=None) for n in (1, 2, 3)), preloading=preloading)

    assert store.loads == [3, 1]


async def test_preloading_says_what_is_never_there(shelf: Shelf, store: Store) -> None:
    told: list[str] = []

    async def absent(_model: Model, reason: str) -> None:
        told.append(reason)

    store.outcomes[1] = [ModelMissing("a file of the artefact is missing") for _ in range(8)]
    preloading = Preloading(shelf, on_absence=absent, first_pause=0.0)
    await preloaded(shelf, model(1), preloading=preloading)

    assert told == ["it could not be loaded: a file of the artefact is missing"]


async def test_another_tenants_algorithm_has_no_model(shelf: Shelf) -> None:
    announce(shelf, model(1))

    assert await shelf.answering("other", "hybrid") is None
    assert await shelf.answering("tenant", "collaborative") is None


async def test_the_newest_model_answers(shelf: Shelf) -> None:
    announce(shelf, model(2), model(3), model(1))

    assert await answering_id(shelf) == 3


async def test_while_a_newer_model_loads_the_old_one_answers_and_then_the_new_one(
    shelf: Shelf, store: Store
) -> None:
    announce(shelf, model(1))
    held = await shelf.answering("tenant", "hybrid")
    store.gate.clear()
    announce(shelf, model(2))
    loading = shelf.load(model(2))
    await until(lambda: 2 in store.loads)

    assert await answering_id(shelf) == 1
    store.gate.set()
    await loading
    assert await answering_id(shelf) == 2
    assert held is not None
    assert held.model.model_id == 1


async def test_an_older_model_that_comes_late_does_not_take_over(shelf: Shelf) -> None:
    announce(shelf, model(5))
    assert await answering_id(shelf) == 5
    announce(shelf, model(4))
    await shelf.load(model(4))

    assert await answering_id(shelf) == 5


async def test_a_bad_artefact_is_refused_once_and_the_old_one_keeps_answering(
    shelf: Shelf, store: Store
) -> None:
    announce(shelf, model(1))
    await answering_id(shelf)
    store.outcomes[2] = [ModelRefused("altered")]
    announce(shelf, model(2))
    with pytest.raises(ModelRefused):
        await shelf.load(model(2))

    assert await answering_id(shelf) == 1
    with pytest.raises(Conflict, match="altered"):
        await shelf.named(2)
    assert store.refusals == [(2, "altered")]


async def test_after_a_start_a_bad_newest_model_leaves_the_one_before(
    shelf: Shelf, store: Store
) -> None:
    store.outcomes[2] = [ModelRefused("altered")]
    announce(shelf, model(1), model(2))

    assert await answering_id(shelf) == 1


async def test_many_who_want_a_model_load_it_once(shelf: Shelf, store: Store) -> None:
    announce(shelf, model(1))

    found = await asyncio.gather(*(shelf.named(1) for _ in range(20)))

    assert store.loads == [1]
    assert len({id(serving) for serving in found}) == 1


async def test_a_model_that_loads_does_not_hold_up_another(shelf: Shelf, store: Store) -> None:
    announce(shelf, model(1), model(2, algorithm=None))
    await shelf.named(1)
    store.gate.clear()
    waiting = asyncio.create_task(shelf.named(2))
    await until(lambda: 2 in store.loads)

    assert (await shelf.named(1)).model.model_id == 1
    assert not waiting.done()
    store.gate.set()
    assert (await waiting).model.model_id == 2


async def test_memory_is_bounded_and_what_was_let_go_loads_again(
    shelf: Shelf, store: Store
) -> None:
    announce(shelf, *(model(n, algorithm=None) for n in range(1, 6)))
    for n in (1, 2, 3, 1, 4):
        await shelf.named(n)
        assert shelf.held_bytes <= 3000

    assert shelf.loaded_ids == [1, 3, 4]
    assert (await shelf.named(2)).model.model_id == 2
    assert store.loads == [1, 2, 3, 4, 2]


async def test_what_was_replaced_is_let_go_first(shelf: Shelf) -> None:
    announce(shelf, model(1), model(2, algorithm=None), model(3))
    for n in (1, 2):
        await shelf.named(n)
    await shelf.named(1)
    await shelf.load(model(3))
    announce(shelf, model(4, algorithm=None))
    await shelf.named(4)

    assert shelf.loaded_ids == [2, 3, 4]


async def test_a_model_beyond_all_memory_is_refused(shelf: Shelf) -> None:
    announce(shelf, model(1), model(2, size=3001))
    await answering_id(shelf)
    with pytest.raises(ModelRefused, match="3001 bytes"):
        await shelf.load(model(2, size=3001))

    assert await answering_id(shelf) == 1


async def test_a_deleted_model_is_gone_and_the_one_before_answers(shelf: Shelf) -> None:
    announce(shelf, model(1), model(2))
    await answering_id(shelf)
    shelf.retire(2)

    assert await answering_id(shelf) == 1
    with pytest.raises(NotFound):
        await shelf.named(2)
    announce(shelf, model(2))
    assert await answering_id(shelf) == 1


async def test_a_model_deleted_while_it_loads_is_not_kept(shelf: Shelf, store: Store) -> None:
    announce(shelf, model(1))
    store.gate.clear()
    loading = shelf.load(model(1))
    await until(lambda: store.loads == [1])
    shelf.retire(1)
    store.gate.set()

    with pytest.raises(ModelMissing):
        await loading
    assert shelf.loaded_ids == []


async def test_while_the_blob_store_is_away_a_request_is_told_to_come_back(
    shelf: Shelf, store: Store
) -> None:
    store.outcomes[1] = [Unavailable("away")]
    announce(shelf, model(1))

    with pytest.raises(Unavailable):
        await shelf.named(1)
    assert (await shelf.named(1)).model.model_id == 1


async def test_preloading_tries_again_until_the_store_is_back(shelf: Shelf, store: Store) -> None:
    store.outcomes[1] = [Unavailable("away"), ModelMissing("not yet")]
    announce(shelf, model(1))
    preloading = Preloading(shelf, first_pause=0.001)
    preloading.want(model(1), announced_at=0.0)
    assert not await preloading.settled()
    task = asyncio.create_task(preloading.run())

    await until(lambda: shelf.loaded_ids == [1])

    assert await preloading.settled()
    assert store.loads == [1, 1, 1]
    task.cancel()


async def test_preloading_takes_the_newest_first_and_leaves_out_what_they_replace(
    shelf: Shelf, store: Store
) -> None:
    await preloaded(shelf, model(1), model(2), model(3, algorithm=None), model(4))

    assert store.loads == [4, 3]


async def preloaded(shelf: Shelf, *wanted: Model, preloading: Preloading | None = None) -> None:
    """Announce models and let the preloading come to its end."""
    announce(shelf, *wanted)
    preloading = preloading or Preloading(shelf)
    for each in wanted:
        preloading.want(each, announced_at=0.0)
    task = asyncio.create_task(preloading.run())
    await until(lambda: not preloading.waiting)
    task.cancel()


async def test_listed_models_come_first_though_newer_ones_replace_them(store: Store) -> None:
    shelf = Shelf(store.load, capacity=3000, on_refusal=store.refuse, first=[1, 3])

    await preloaded(shelf, model(1), model(2), model(3, algorithm=None), model(4))

    assert store.loads == [3, 1, 4]
    assert await answering_id(shelf) == 4


async def test_listed_models_stay_while_others_come_and_go(store: Store) -> None:
    shelf = Shelf(store.load, capacity=3000, on_refusal=store.refuse, first=[1, 2])
    await preloaded(shelf, *(model(n, algorithm=None) for n in range(1, 6)))
    assert shelf.loaded_ids == [1, 2, 5]

    await shelf.named(3)
    assert shelf.loaded_ids == [1, 2, 3]
    announce(shelf, model(6, algorithm=None, size=2000))
    await shelf.named(6)

    assert shelf.loaded_ids == [1, 6]


async def test_preloading_does_not_drive_out_what_is_newer(shelf: Shelf, store: Store) -> None:
    await preloaded(shelf, *(model(n, algorithm=None) for n in range(1, 6)))

    assert shelf.loaded_ids == [3, 4, 5]


async def test_news_of_today_does_not_unsettle_a_process_that_began_before(
    shelf: Shelf,
) -> None:
    preloading = Preloading(shelf)
    preloading.want(model(1), announced_at=4_000_000_000.0)

    assert await preloading.settled()


async def test_models_that_answer_are_counted_without_naming_tenants(
    shelf: Shelf, store: Store
) -> None:
    labels = {"algorithm": "counted"}

    def sample(name: str) -> float:
        return REGISTRY.get_sample_value(f"millrace_{name}", labels) or 0.0

    first, second = model(7, algorithm="counted"), model(9, algorithm="counted")
    announce(shelf, first, second)
    await shelf.load(first)
    assert (sample("models_serving"), sample("newest_model_id")) == (1, 7)
    await shelf.load(second)
    assert (sample("models_serving"), sample("newest_model_id")) == (1, 9)
    shelf.retire(9)
    assert sample("models_serving") == 0


async def test_the_models_of_a_deleted_tenant_leave_memory_and_no_others(shelf: Shelf) -> None:
    own, other = model(1), replace(model(2), tenant_id="other")
    for each in (own, other):
        shelf.announce(each)
        await shelf.load(each)
    shelf.forget_tenant("tenant")
    assert shelf.loaded_ids == [2]
    assert shelf.find(1) is None
    assert not shelf.has("tenant", "hybrid")
    assert await shelf.answering("tenant", "hybrid") is None
    assert await shelf.answering("other", "hybrid") is not None
    assert not shelf.announce(own)  # an announcement that comes late


async def test_a_model_that_is_loaded_while_its_tenant_is_deleted_never_answers(
    shelf: Shelf, store: Store
) -> None:
    store.gate.clear()
    shelf.announce(model(1))
    loading = shelf.load(model(1))
    shelf.forget_tenant("tenant")
    store.gate.set()
    with pytest.raises(ModelMissing):
        await loading
    assert shelf.loaded_ids == []


async def test_models_of_a_deleted_tenant_are_not_loaded_any_more(shelf: Shelf) -> None:
    preloading = Preloading(shelf)
    for each in (model(1), replace(model(2), tenant_id="other")):
        preloading.want(each, announced_at=0)
    preloading.forget_tenant("tenant")
    assert preloading.waiting == 1
