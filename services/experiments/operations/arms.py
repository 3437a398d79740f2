"""What happens to a slot's A/B tests when something happens to the slot."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from chassis.database import Transaction
from contracts.slots import AbTestChanged
from experiments.domain.ab_tests import AbTest
from experiments.domain.deals import Deal
from experiments.domain.slots import Slot
from experiments.store import ab_tests as store
from experiments.store import slots


async def take_part(tx: Transaction, slot: Slot) -> bool:
    """Tell whether a slot is an arm of any test."""
    return bool(await store.on_slots(tx.session, [slot.id]))


async def running_on(
    tx: Transaction, slot_ids: Collection[int], *, hold: bool = False
) -> Sequence[AbTest]:
    """Return the running tests that any of the slots takes part in; `hold` keeps them so."""
    found = await store.on_slots(tx.session, slot_ids, hold=hold)
    return [test for test in found if test.running]


async def awaited(tx: Transaction, found: Sequence[Slot]) -> list[Slot]:
    """Return slots with the running test, if any, whose end their weight waits for."""
    tests = await running_on(tx, [slot.id for slot in found]) if found else []
    return [
        replace(slot, applies_after_ab_test=next(_waited_for(slot, tests), None)) for slot in found
    ]


async def hold_weights(tx: Transaction, slot: Slot) -> None:
    """Give running tests that an older release started the deal that they have kept so far."""
    for test in await running_on(tx, [slot.id], hold=True):
        control, variant = [await slots.get(tx.session, slot_id) for slot_id in test.slot_ids]
        if test.deal is None and control is not None and variant is not None:
            deal = Deal.by_weight(test.id, control, variant)
            held = replace(test, deal=deal, revision=test.revision + 1)
            await store.put(tx.session, held)
            announce(tx, held, running=True)


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
            **(_dealt(test.deal) if running and test.deal else {}),
        )
    )


def _dealt(deal: Deal) -> dict[str, Any]:
    return {
        "deal_test_id": deal.control.test_id,
        "control_weight": deal.control.weight,
        "variant_weight": deal.variant.weight,
        "control_low": deal.control.low,
        "control_high": deal.control.high,
    }


def _waited_for(slot: Slot, tests: Sequence[AbTest]) -> Iterator[int]:
    for test in tests:
        hand = test.hands.get(slot.id)
        if hand is not None and hand.weight != slot.weight:
            yield test.id
