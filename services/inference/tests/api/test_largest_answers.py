"""The largest legal answer of every operation that serves is given, told and billed.

The operations come from the ledger, so that a new one without its largest request fails here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest

from chassis.outbox import Outgoing
from chassis.sizes import check
from chassis.testing import ADMIN, TENANT, Bench, key_of
from contracts.catalog import ItemChanged
from contracts.http import OPERATIONS, Operation, Status
from contracts.serving import Served
from inference.operations.generating import Generating
from inference.operations.servings import Servings
from inference.tests.conftest import MOMENT, Workshop
from inference.tests.doubles import NeighbourScorer

#: Characters of which JSON makes the most bytes, among those that an id may have.
CHARACTERS = ("\N{GRINNING FACE}", '"')
SERVING = [
    each
    for each in OPERATIONS
    if each.owner == "inference" and each.cost is not None and each.status is Status.SERVED
]
MODEL, ALGORITHMS_MODEL, SLOT = 5, 6, 3
CALLER = key_of("read", "write", "predict")


@dataclass(frozen=True)
class Largest:
    """The largest request of an operation, and how many facts its answer makes."""

    path: str
    body: Mapping[str, Any] | None = None
    facts: int = 1
    query: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class World:
    """Users and items whose ids are as long as ids may be."""

    character: str

    @property
    def items(self) -> list[str]:
        return [self.long(f"{number:04d}") for number in range(1_001)]

    @property
    def users(self) -> list[str]:
        return [self.long(f"user{number:03d}") for number in range(100)]

    @property
    def session(self) -> str:
        return self.long("session")

    def long(self, name: str) -> str:
        return name + self.character * (256 - len(name))

    def largest(self, operation: Operation) -> Largest:
        """Return the largest request of an operation."""
        user, items, predict = self.users[0], self.items, "/inference/predict"
        model = f"/api/v1/trained_model/{MODEL}"
        one = {"user_id": user, "cutoff": 1_000}
        found = {
            "POST /api/v1/recommend": Largest(
                "/api/v1/recommend", {"userId": user, "count": 100, "sessionId": self.session}
            ),
            "POST /api/v1/similar": Largest("/api/v1/similar", {"itemId": items[0], "count": 100}),
            "POST /inference/predict/{model_id}": Largest(f"{predict}/{MODEL}", one),
            "POST /inference/predict/{model_id}/batch": Largest(
                f"{predict}/{MODEL}/batch", {"user_ids": self.users, "cutoff": 1_000}, facts=100
            ),
            "POST /inference/predict/project/{project_id}": Largest(f"{predict}/project/1", one),
            "GET /api/v1/trained_model/{id}/recommendation": Largest(
                f"{model}/recommendation/", query=one
            ),
            "POST /api/v1/trained_model/{id}/recommend_using_profile_interaction": Largest(
                f"{model}/recommend_using_profile_interaction/",
                {"item_ids": [items[0]] * 10_000, "cutoff": 1_000},
            ),
            "POST /api/recommendations/generate": Largest(
                "/api/recommendations/generate", {"count": 100}, facts=len(self.users)
            ),
        }
        return found[f"{operation.method} {operation.path}"]


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


class Broker:
    """Takes what a broker would take: a record that is too large fails the test."""

    def __init__(self) -> None:
        self.facts: list[Served] = []

    async def send_all(self, records: list[Outgoing]) -> None:
        for record in records:
            check(record.topic, key=record.key, value=record.value, headers=record.headers)
            self.facts.append(Served.model_validate_json(record.value))

    async def stop(self) -> None:
        """Nothing is connected."""


@pytest.fixture(params=CHARACTERS, ids=["four bytes each", "escaped"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


@pytest.fixture
async def stocked(workshop: Workshop, world: World) -> Workshop:
    """Inference with two models of those items, a slot, and users with a history."""
    items = world.items
    scorer = NeighbourScorer(
        items=tuple(items),
        users=dict.fromkeys(world.users, (items[-1],)),
        likeness=np.full((len(items), len(items)), 0.5, dtype=np.float32),
    )
    workshop.scorers |= {MODEL: scorer, ALGORITHMS_MODEL: scorer}
    await workshop.load(MODEL)
    await workshop.load(ALGORITHMS_MODEL, algorithm="collaborative", project_id=None)
    await workshop.slot(SLOT, MODEL)
    await workshop.bench.deliver(*(described(item, world.long("title")) for item in items))
    for user in world.users:
        await workshop.interact(user, items[-1], session_id=world.session, to="histories")
    return workshop


def described(item: str, title: str) -> ItemChanged:
    return ItemChanged(
        tenant_id=TENANT,
        occurred_at=MOMENT,
        item_id=item,
        metadata={"title": title},
        is_active=True,
        revision=1,
    )


@pytest.fixture
def broker(stocked: Workshop, monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(servings_of(stocked.bench), "_producer", broker)
    return broker


def servings_of(bench: Bench) -> Servings:
    servings: Servings = bench.app.state.servings
    return servings


async def ask(bench: Bench, operation: Operation, largest: Largest) -> httpx.Response:
    caller = ADMIN if operation.path.startswith("/api/recommendations") else CALLER
    async with bench.as_caller(caller) as client:
        return await client.request(
            operation.method, largest.path, json=largest.body, params=largest.query
        )


async def leave(bench: Bench) -> None:
    """Let generations be made, and all that was told leave."""
    generating: Generating = bench.app.state.generating
    while await generating.step():
        pass
    servings = servings_of(bench)
    while await servings.sweep():
        pass


@pytest.mark.parametrize("operation", SERVING, ids=named)
async def test_the_largest_legal_answer_is_given_and_told(
    stocked: Workshop,
    broker: Broker,
    world: World,
    operation: Operation,
    waiting_bytes: Callable[[], int],
) -> None:
    largest = world.largest(operation)
    answer = await ask(stocked.bench, operation, largest)
    assert answer.is_success, answer.text[:500]
    await leave(stocked.bench)
    assert len(broker.facts) == largest.facts
    assert all(len(fact.item_ids) >= 100 for fact in broker.facts)
    assert sum(fact.centiunits for fact in broker.facts) > 0
    assert waiting_bytes() == 0
    # It is in nobody's way.
    async with stocked.bench.as_caller(CALLER) as client:
        small = await client.post("/api/v1/recommend", json={"userId": "u", "count": 1})
    assert small.status_code == 200
    await leave(stocked.bench)
    assert len(broker.facts) == largest.facts + 1


@pytest.fixture
def waiting_bytes(stocked: Workshop) -> Callable[[], int]:
    """Return what says how many bytes wait in the spool."""
    spool = servings_of(stocked.bench)._opened
    return lambda: spool.waiting_bytes
