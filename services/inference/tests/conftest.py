"""Inference on a throw-away database, its models being doubles whose artefacts need no training."""

import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chassis.blobs import open_blobs
from chassis.testing import TENANT, Bench, on_the_bench, settings_in
from contracts.artefact import MANIFEST_NAME, Manifest
from contracts.catalog import ItemChanged, ProjectChanged
from contracts.interactions import InteractionRecorded, InteractionType
from contracts.models import ModelReady
from contracts.serving import Served
from contracts.slots import AbTestChanged, SlotChanged
from inference.app import build
from inference.domain.models import Model
from inference.operations.serving import Shelf
from inference.operations.servings import Servings
from inference.scorers import Scorer
from inference.settings import InferenceSettings
from inference.tests.doubles import NeighbourScorer

MOMENT = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


@dataclass
class Workshop:
    """Stands in for training: puts artefacts into the blob store and announces them."""

    bench: Bench
    settings: InferenceSettings
    #: What becomes of an artefact when it is built, by model id.
    scorers: dict[int, Scorer | Exception] = field(default_factory=dict)
    #: What a model's builder waits for, by model id.
    gates: dict[int, threading.Event] = field(default_factory=dict)
    sequence: int = 0

    def verify(self, folder: Path, model: Model) -> Scorer:
        if model.model_id in self.gates:
            assert self.gates[model.model_id].wait(timeout=30)
        built = self.scorers.get(model.model_id, NeighbourScorer())
        if isinstance(built, Exception):
            raise built
        return built

    async def announce(self, model_id: int, *, store: bool = True, **members: Any) -> ModelReady:
        """Keep an artefact and deliver its announcement to every subscription."""
        manifest = Manifest(
            kind="double", learner="double", seed=model_id, data_digest=f"{model_id:064x}"
        )
        key = f"{TENANT}/models/{model_id}"
        if store:
            async with open_blobs(self.settings.blobs()) as blobs:
                await blobs.put(f"{key}/{MANIFEST_NAME}", manifest.to_bytes())
        event = ModelReady(
            **{
                "tenant_id": TENANT,
                "occurred_at": MOMENT,
                "model_id": model_id,
                "model_uid": str(model_id),
                "project_id": 1,
                "version": f"v{model_id}",
                "learner": "double",
                "artefact_key": key,
                "artefact_digest": manifest.digest,
                "artefact_bytes": 1000,
                "interactions_seen": 10,
                **members,
            }
        )
        await self.bench.deliver(event)
        return event

    async def load(self, model_id: int, **members: Any) -> ModelReady:
        """Announce a model and wait until it is in memory."""
        event = await self.announce(model_id, **members)
        shelf: Shelf = self.bench.app.state.shelf
        model = shelf.find(model_id)
        assert model is not None
        await shelf.load(model)
        return event

    async def interact(
        self,
        user_id: str,
        item_id: str,
        *,
        to: str | None = None,
        at: datetime = MOMENT,
        weight: float = 1.0,
        tenant_id: str = TENANT,
        session_id: str | None = None,
    ) -> InteractionRecorded:
        """Deliver an interaction to every subscription, or to one."""
        self.sequence += 1
        event = InteractionRecorded(
            tenant_id=tenant_id,
            occurred_at=at,
            sequence=self.sequence,
            interaction_id=str(self.sequence),
            user_id=user_id,
            item_id=item_id,
            interaction_type=InteractionType.PURCHASE,
            weight=weight,
            session_id=session_id,
            source="http",
            centiunits=100,
        )
        await self.bench.deliver(event, to=to)
        return event

    async def item(
        self, item_id: str, *, revision: int = 1, active: bool = True, **metadata: Any
    ) -> None:
        """Deliver an item of the catalogue."""
        await self.bench.deliver(
            ItemChanged(
                tenant_id=TENANT,
                occurred_at=MOMENT,
                item_id=item_id,
                metadata={"title": item_id.replace("movie-", "Movie No. "), **metadata},
                is_active=active,
                revision=revision,
            )
        )

    async def slot(self, slot_id: int, model_id: int, **members: Any) -> None:
        """Deliver a slot of project 1."""
        values = {"weight": 100.0, "is_active": True, "revision": 1, "tenant_id": TENANT}
        await self.bench.deliver(
            SlotChanged(
                occurred_at=MOMENT,
                slot_id=slot_id,
                project_id=1,
                name=f"slot-{slot_id}",
                model_id=model_id,
                **(values | members),
            )
        )

    async def ab_test(
        self, control: int, variant: int, *, running: bool, revision: int, **deal: Any
    ) -> None:
        """Deliver a test of two slots of project 1, with its deal if told."""
        await self.bench.deliver(
            AbTestChanged(
                tenant_id=TENANT,
                occurred_at=MOMENT,
                test_id=1,
                project_id=1,
                control_slot_id=control,
                variant_slot_id=variant,
                running=running,
                revision=revision,
                **deal,
            )
        )


class Topics:
    """Remembers what would have reached Kafka."""

    def __init__(self) -> None:
        self.served: list[Served] = []

    async def send_all(self, records: Any) -> None:
        self.served += [Served.model_validate_json(record.value) for record in records]

    async def stop(self) -> None:
        """Nothing is connected."""


@pytest.fixture
def settings(tmp_path: Path) -> InferenceSettings:
    """Settings that wait for nothing."""
    return InferenceSettings(**{**settings_in(tmp_path).model_dump(), "patience": 0.0})


@pytest.fixture
async def workshop(settings: InferenceSettings) -> AsyncIterator[Workshop]:
    """Inference with one tenant, whose default project is 1, and no models yet."""
    made: list[Workshop] = []
    service = build(settings, verify=lambda folder, model: made[0].verify(folder, model))
    async with on_the_bench(service) as bench:
        made.append(Workshop(bench, settings))
        await bench.deliver(
            ProjectChanged(
                tenant_id=TENANT,
                occurred_at=MOMENT,
                project_id=1,
                name="default",
                is_default=True,
                user_column="user",
                item_column="item",
            )
        )
        yield made[0]


@pytest.fixture
def bench(workshop: Workshop) -> Bench:
    """The service under test."""
    return workshop.bench


@pytest.fixture
def served(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Let the spool leave and return all that was announced so far."""
    servings: Servings = bench.app.state.servings
    topics = Topics()
    monkeypatch.setattr(servings, "_producer", topics)

    async def sweep() -> list[Served]:
        while await servings.sweep():
            pass
        return topics.served

    return sweep
