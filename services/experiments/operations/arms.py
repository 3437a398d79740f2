"""What happens to a slot's A/B tests when something happens to the slot."""

from dataclasses import replace

from chassis.database import Transaction
from contracts.slots import AbTestChanged
from experiments.domain.ab_tests import AbTest
from experiments.domain.slots import Slot
from experiments.store import ab_tests as store


async def take_part(tx: Transaction, slot: Slot) -> bool:
    """Tell whether a slot is an arm of any test."""
    return bool(await store.on_slots(tx.session, [slot.id]))


async def split_moved(tx: Transaction, slot: Slot) -> None:
    """Note in running tests that their traffic is split otherwise than at the start."""
    for test in await store.on_slots(tx.session, [slot.id]):
        if test.running and test.control_share is not None:
            await store.put(tx.session, replace(test, control_share=None))


async def close_all(tx: Transaction, slot: Slot) -> None:
    """Delete a slot's tests; users are no longer held in the arms of those that ran."""
    for test in await store.on_slots(tx.session, [slot.id]):
        await close(tx, test)


async def close(tx: Transaction, test: AbTest) -> None:
    """Delete a test."""
    await store.remove(tx.session, test.id)
    if test.running:
        announce(tx, replace(test, revision=test.revision + 1), running=False)


def announce(tx: Transaction, test: AbTest, *, running: bool) -> None:
    """Tell inference whether a test holds users in their arms."""
    tx.emit(
        AbTestChanged(
            tenant_id=tx.tenant_id,
            occurred_at=tx.clock(),
            test_id=test.id,
            project_id=test.project_id,
            control_slot_id=test.control_slot_id,
            variant_slot_id=test.variant_slot_id,
            running=running,
            revision=test.revision,
        )
    )
