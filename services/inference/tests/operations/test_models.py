"""What is told of models: loaded, or refused and why, once for all processes."""

from typing import Any

import pytest
from sqlalchemy import select

from chassis.testing import TENANT, Bench
from contracts.model_states import ModelLoaded, ModelRefused
from contracts.models import ModelReady, ModelRetired
from contracts.topics import MODEL_READY
from inference.domain.models import Model
from inference.domain.models import ModelRefused as Refusal
from inference.operations.models import States
from inference.operations.serving import Shelf
from inference.tests.conftest import MOMENT, Workshop


def model_of(bench: Bench, model_id: int) -> Model:
    shelf: Shelf = bench.app.state.shelf
    found = shelf.find(model_id)
    assert found is not None
    return found


async def told(bench: Bench) -> list[tuple[str, int]]:
    """Return what was told, oldest first."""
    states: States = bench.app.state.states
    await states.settle()
    events: list[Any] = await bench.emitted()
    return [
        (type(event).__name__, event.model_id)
        for event in events
        if isinstance(event, ModelLoaded | ModelRefused)
    ]


async def test_a_loaded_model_is_told_of_once(workshop: Workshop, bench: Bench) -> None:
    await workshop.load(5)
    await told(bench)
    other_process = States(bench.database)
    other_process.loaded(model_of(bench, 5))
    await other_process.settle()

    assert await told(bench) == [("ModelLoaded", 5)]
    [event] = await bench.emitted(ModelLoaded)
    assert (event.tenant_id, event.version) == (TENANT, "v5")


async def test_a_refused_model_is_told_of_with_its_reason(workshop: Workshop, bench: Bench) -> None:
    workshop.scorers[5] = Refusal("proof row 0: score 0.0 instead of -0.4")
    for _ in range(2):
        with pytest.raises(Refusal):
            await workshop.load(5)
    await States(bench.database).refused(model_of(bench, 5), "said by another process")

    assert await told(bench) == [("ModelRefused", 5)]
    [event] = await bench.emitted(ModelRefused)
    assert event.reason == "proof row 0: score 0.0 instead of -0.4"
    table = bench.database.metadata.tables["outbox"]
    async with bench.database.engine.connect() as connection:
        query = select(table.c.value).where(table.c.topic == MODEL_READY.dead)
        [dead] = (await connection.scalars(query)).all()
    assert ModelReady.model_validate_json(dead).metrics == {"refused": event.reason}


async def test_a_model_that_loads_after_all_takes_its_refusal_back(
    workshop: Workshop, bench: Bench
) -> None:
    states: States = bench.app.state.states
    await workshop.announce(5)
    await states.refused(model_of(bench, 5), "another process knows no such kind")
    await workshop.load(5)
    assert await told(bench) == [("ModelRefused", 5), ("ModelLoaded", 5)]
    assert await states.newest_loaded(TENANT, "collaborative") is None

    await states.refused(model_of(bench, 5), "its copy is damaged")
    assert (await told(bench))[-1] == ("ModelRefused", 5)


async def test_what_was_refused_before_states_were_told_is_told(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.announce(5)
    async with bench.database.engine.begin() as connection:
        table = bench.database.metadata.tables["model_version"]
        await connection.execute(table.update().values(refusal="of old"))
    await bench.app.state.states.refused(model_of(bench, 5), "of old")

    assert await told(bench) == [("ModelRefused", 5)]


async def test_the_newest_model_that_answers_somewhere_is_known_to_every_process(
    workshop: Workshop, bench: Bench
) -> None:
    states: States = bench.app.state.states
    await workshop.load(5, algorithm="collaborative")
    await workshop.load(6, algorithm="collaborative", deploys_itself=False)
    await workshop.announce(7, algorithm="collaborative")
    await told(bench)

    assert await states.newest_loaded(TENANT, "collaborative") == 6
    assert await states.newest_loaded("another", "collaborative") is None
    assert await states.is_told(model_of(bench, 5))
    assert not await states.is_told(model_of(bench, 7))
    await bench.deliver(ModelRetired(tenant_id=TENANT, occurred_at=MOMENT, model_id=6))
    assert await states.newest_loaded(TENANT, "collaborative") == 5


async def test_one_that_cannot_be_told_of_holds_up_no_other(
    workshop: Workshop, bench: Bench, monkeypatch: Any
) -> None:
    states: States = bench.app.state.states
    await workshop.load(5)
    await workshop.load(6)
    tell = states._tell_loaded

    async def failing(model: Model) -> None:
        if model.model_id == 5:
            raise OSError("the database said no")
        await tell(model)

    monkeypatch.setattr(states, "_tell_loaded", failing)
    failures: list[BaseException] = []
    try:
        await states.settle()
    except* OSError as group:
        failures += group.exceptions
    assert len(failures) == 1
    monkeypatch.undo()

    assert await told(bench) == [("ModelLoaded", 6), ("ModelLoaded", 5)]
