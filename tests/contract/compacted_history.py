"""What may stand on the compacted topics: things of two tenants come, change, go and come again."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.testing import OTHER_TENANT, TENANT
from contracts.billing import AllowanceChanged
from contracts.catalog import (
    DataFileChanged,
    DataFileDeleted,
    ItemChanged,
    ItemDeleted,
    ProjectChanged,
    ProjectDeleted,
)
from contracts.envelope import Event
from contracts.generations import GenerationChanged
from contracts.interactions import InteractionRecorded, InteractionType
from contracts.model_states import ModelLoaded, ModelRefused
from contracts.models import ModelReady, ModelRetired, TuningConcluded, TuningForgotten
from contracts.slots import AbTestChanged, SlotChanged, SlotDeleted
from contracts.tenants import ApiKeyRevoked, PersonErased, TenantDeleted, TenantRegistered

BEGAN = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
#: When people were erased: facts of theirs are from before and from after it.
ERASED = BEGAN + timedelta(hours=1)
TENANTS = (TENANT, OTHER_TENANT)
#: Tenants that came and were deleted.
GONE = ("00000000-0000-4000-8000-0000000000d1", "00000000-0000-4000-8000-0000000000d2")
#: Things of the second tenant have their ids this far from those of the first.
APART = 1000
#: Models whose announcements name a slot, by that slot's name.
DEPLOYED = {"kept": (101, 102), "removed": (103, 104), "moved": (105, 106)}
MODELS = (100, *(model for models in DEPLOYED.values() for model in models), 107)
RETIRED = 107


def history() -> list[Event]:
    """Return all of it, in the order in which it happened."""
    both = [list(_of(tenant, number * APART)) for number, tenant in enumerate(TENANTS)]
    # Both tenants act side by side.
    lasting = [event for pair in zip(*both, strict=True) for event in pair]
    return [*lasting, *(event for tenant in GONE for event in _gone(tenant))]


def facts() -> list[Event]:
    """Return what people did who were erased, before that and after, and what others did."""
    return [
        InteractionRecorded(
            tenant_id=tenant,
            occurred_at=at,
            event_id=f"{tenant}:{user}:{at.isoformat()}",
            sequence=sequence,
            interaction_id=f"{user}:{at.isoformat()}",
            user_id=user,
            item_id=f"item-{at.hour}",
            interaction_type=InteractionType.VIEW,
            weight=0.1,
            source="kafka",
            centiunits=1,
        )
        for tenant in TENANTS
        for sequence, (user, at) in enumerate(
            [
                ("ann", ERASED - timedelta(hours=1)),
                ("ann", ERASED + timedelta(hours=1)),
                ("bob", ERASED - timedelta(hours=1)),
                ("eve", ERASED - timedelta(hours=1)),
            ],
            start=1,
        )
    ]


def _gone(tenant: str) -> Iterator[Event]:
    told: dict[str, Any] = {"tenant_id": tenant, "occurred_at": BEGAN}
    yield TenantRegistered(**told, name="t", owner_id=9)
    yield from _items(told)
    yield TenantDeleted(**told)


def _of(tenant: str, base: int) -> Iterator[Event]:
    told: dict[str, Any] = {"tenant_id": tenant, "occurred_at": BEGAN}
    yield TenantRegistered(**told, name="t", owner_id=1 + base)
    yield from _projects(told, base)
    yield from _files(told, base)
    yield from _items(told)
    yield from _models(told, base)
    yield from _served(told, base)
    yield from _slots(told, base)
    for revision in (1, 2, 3):
        yield AllowanceChanged(
            **told,
            used_centiunits=revision,
            allowed_centiunits=100 + revision,
            cycle_ends_at="2026-02-14T10:30:00Z",
            revision=revision,
        )
    for user in ("ann", "bob"):
        yield PersonErased(tenant_id=tenant, occurred_at=ERASED, person_uid=user)
    for prefix in ("one", "two"):
        yield ApiKeyRevoked(**told, key_prefix=f"{prefix}-{base}")


def _projects(told: dict[str, Any], base: int) -> Iterator[Event]:
    columns = {"user_column": "u", "item_column": "i"}
    for project_id, name, revision in ((1, "a", 1), (2, "b", 1), (1, "c", 2), (3, "d", 1)):
        yield ProjectChanged(
            **told,
            **columns,
            project_id=project_id + base,
            name=name,
            is_default=project_id == 1,
            revision=revision,
        )
    yield ProjectDeleted(**told, project_id=2 + base)


def _files(told: dict[str, Any], base: int) -> Iterator[Event]:
    for file_id, key in ((5, "5"), (6, "6"), (7, "7"), (5, None), (8, "8")):
        yield DataFileChanged(
            **told,
            kind="training_data",
            file_id=file_id + base,
            project_id=1 + base,
            table_key=key,
            table_digest=key,
            rows=3,
        )
    for file_id in (6, 8):
        yield DataFileDeleted(
            **told, kind="training_data", file_id=file_id + base, project_id=1 + base
        )


def _items(told: dict[str, Any]) -> Iterator[Event]:
    for item, revision in (("a", 1), ("b", 1), ("a", 2), ("c", 1), ("d", 1)):
        yield ItemChanged(
            **told,
            item_id=item,
            revision=revision,
            metadata={"title": f"{item}{revision}"},
            is_active=item != "c",
        )
    for item in ("b", "d"):
        yield ItemDeleted(**told, item_id=item, revision=2)
    # One that was deleted comes back.
    yield ItemChanged(**told, item_id="b", revision=3, metadata={"title": "b3"}, is_active=True)


def _models(told: dict[str, Any], base: int) -> Iterator[Event]:
    slots = {model: slot for slot, models in DEPLOYED.items() for model in models}
    for model_id in MODELS:
        yield ModelReady(
            **told,
            model_id=model_id + base,
            model_uid=f"m{model_id + base}",
            project_id=1 + base,
            version=str(model_id),
            learner="TopPopRecommender",
            artefact_key=f"models/{model_id}",
            artefact_digest="00",
            artefact_bytes=1,
            interactions_seen=1,
            deploy_to_slot=slots.get(model_id, "retired" if model_id == RETIRED else None),
        )
    yield ModelRetired(**told, model_id=RETIRED + base)
    yield ModelRetired(**told, model_id=RETIRED + 1 + base)
    for job in (1, 2, 3):
        yield TuningConcluded(**told, tuning_job_id=job + base, project_id=1 + base)
    for job in (2, 3):
        yield TuningForgotten(**told, tuning_job_id=job + base)


def _served(told: dict[str, Any], base: int) -> Iterator[Event]:
    for model_id in (100, 101):
        yield ModelRefused(**told, model_id=model_id + base, version="1", reason="no")
        yield ModelLoaded(**told, model_id=model_id + base, version="1")
    yield ModelLoaded(**told, model_id=102 + base, version="1")
    yield ModelRefused(**told, model_id=102 + base, version="1", reason="no longer")
    for job, states in (("x", ("running", "completed")), ("y", ("running", "failed"))):
        for number, state in enumerate(states):
            yield GenerationChanged(
                **told,
                job_uid=f"{job}-{base}",
                state=state,
                progress=number / 2,
                users_served=number,
                requested_at=BEGAN,
                error="gone" if state == "failed" else None,
            )


def _slots(told: dict[str, Any], base: int) -> Iterator[Event]:
    for slot_id, revision in ((1, 1), (2, 1), (1, 2), (3, 1)):
        yield SlotChanged(
            **told,
            slot_id=slot_id + base,
            project_id=1 + base,
            name=f"s{slot_id}",
            model_id=100 + base,
            weight=10.0 * revision,
            is_active=True,
            revision=revision,
        )
    for slot_id in (2, 3):
        yield SlotDeleted(**told, slot_id=slot_id + base, project_id=1 + base, revision=2)
    for test_id, running, revision in ((1, True, 1), (2, True, 1), (2, False, 2)):
        yield AbTestChanged(
            **told,
            test_id=test_id + base,
            project_id=1 + base,
            control_slot_id=1 + base,
            variant_slot_id=2 + base,
            running=running,
            revision=revision,
        )
