"""Deployment slots: kept, announced to inference, followed by the models they name."""

from collections.abc import Mapping, Sequence
from typing import Any

from chassis.database import Transaction
from chassis.problems import Invalid, unknown_reference
from chassis.wire import Page
from contracts.models import ModelReady
from contracts.slots import SlotChanged, SlotDeleted
from experiments.domain.slots import FULL_WEIGHT, Deployment, Slot
from experiments.operations import arms
from experiments.operations.filters import conditions
from experiments.operations.references import UnknownReference
from experiments.store import deployments, replicas
from experiments.store import slots as store


class Slots:
    """The declared resource `deployment_slot`."""

    noun: str = "DeploymentSlot"

    async def find(
        self, tx: Transaction, *, page: Page, where: Mapping[str, Any]
    ) -> tuple[Sequence[Slot], int]:
        """Return a page of slots."""
        wanted = conditions(tx.caller, where)
        if wanted is None:
            return [], 0
        found, total = await store.find(tx.session, wanted, offset=page.offset, limit=page.size)
        return await arms.awaited(tx, found), total

    async def get(self, tx: Transaction, row_id: int) -> Slot | None:
        """Return a slot that the caller may see."""
        slot = await store.get(tx.session, row_id)
        if slot is None or not tx.caller.may_see(slot.project_id):
            return None
        return (await arms.awaited(tx, [slot]))[0]

    async def add(self, tx: Transaction, values: Mapping[str, Any]) -> Slot:
        """Keep a new slot and tell inference."""
        await _check(tx, values["project_id"], values["model_id"])
        return await create(tx, values)

    async def change(self, tx: Transaction, row_id: int, values: Mapping[str, Any]) -> Slot | None:
        """Change a slot and tell inference; a new weight waits for the end of a running test."""
        slot = await store.get(tx.session, row_id, hold=True)
        if slot is None or not tx.caller.may_see(slot.project_id):
            return None
        project_id = values.get("project_id", slot.project_id)
        await _check(tx, project_id, values.get("model_id", slot.model_id))
        if project_id != slot.project_id and await arms.take_part(tx, slot):
            raise Invalid(fields={"project": ["A slot of an A/B test stays in its project."]})
        return (await arms.awaited(tx, [await alter(tx, slot, values)]))[0]

    async def remove(self, tx: Transaction, row_id: int) -> bool:
        """Delete a slot with its tests and conversions, and tell inference."""
        slot = await store.get(tx.session, row_id, hold=True)
        if slot is None or not tx.caller.may_see(slot.project_id):
            return False
        await drop(tx, slot)
        return True


async def create(tx: Transaction, values: Mapping[str, Any]) -> Slot:
    """Keep a new slot whose references hold, and announce it."""
    slot = await store.add(tx.session, values, at=tx.clock())
    tx.emit(_announcement(tx, slot))
    return slot


async def alter(tx: Transaction, slot: Slot, values: Mapping[str, Any]) -> Slot:
    """Keep a slot's new state and announce it; running tests keep to their deal."""
    await arms.hold_weights(tx, slot)
    changed = slot.changed(values, at=tx.clock())
    await store.put(tx.session, changed)
    tx.emit(_announcement(tx, changed))
    return changed


async def drop(tx: Transaction, slot: Slot) -> None:
    """Delete a slot and all that hangs on it."""
    await arms.close_all(tx, slot)
    await store.remove(tx.session, slot.id)
    tx.emit(
        SlotDeleted(
            tenant_id=tx.tenant_id,
            occurred_at=tx.clock(),
            slot_id=slot.id,
            project_id=slot.project_id,
            revision=slot.revision + 1,
        )
    )


async def deploy(tx: Transaction, ready: ModelReady) -> None:
    """Put a retrained model into the slot that its schedule names, made if absent.

    Each model does so once: an announcement that comes again changes nothing, whatever became of
    the slot since, and a model older than the last one that was deployed there comes too late.
    """
    if ready.deploy_to_slot is None or ready.project_id is None or not ready.deploys_itself:
        return
    deployment = Deployment(
        ready.project_id, ready.deploy_to_slot, model_id=ready.model_id, ready_at=ready.occurred_at
    )
    if not await deployments.advance(tx.session, deployment):
        return
    values = {"model_id": ready.model_id, "weight": FULL_WEIGHT, "is_active": True}
    named = {"project_id": ready.project_id, "name": ready.deploy_to_slot}
    present = await store.all_of(tx.session, **named)
    if present:
        await alter(tx, present[-1], values)
    else:
        await create(tx, named | values)


async def retire(tx: Transaction, model_id: int) -> None:
    """Delete every slot that serves a model which is gone."""
    for slot in await store.all_of(tx.session, model_id=model_id):
        await drop(tx, slot)


async def clear(tx: Transaction, project_id: int) -> None:
    """Delete every slot of a project that is gone."""
    for slot in await store.all_of(tx.session, project_id=project_id):
        await drop(tx, slot)


async def _check(tx: Transaction, project_id: int, model_id: int) -> None:
    """Refuse a project or model that is unknown, out of reach, or not the other's."""
    if not tx.caller.may_see(project_id):
        raise unknown_reference("project", project_id)
    if await replicas.project(tx.session, project_id) is None:
        raise UnknownReference.to("project", project_id)
    model = await replicas.model(tx.session, model_id)
    if model is None:
        raise UnknownReference.to("trained_model", model_id)
    if model.project_id != project_id:
        raise Invalid(fields={"trained_model": ["Trained model does not belong to this project."]})


def _announcement(tx: Transaction, slot: Slot) -> SlotChanged:
    return SlotChanged(
        tenant_id=tx.tenant_id,
        occurred_at=slot.updated_at,
        slot_id=slot.id,
        project_id=slot.project_id,
        name=slot.name,
        model_id=slot.model_id,
        weight=slot.weight,
        is_active=slot.is_active,
        revision=slot.revision,
    )
