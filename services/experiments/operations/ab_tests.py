"""A/B tests: drafted, started, stopped, judged, and the winner put in charge."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chassis.database import Database, Transaction
from chassis.identity import Caller
from chassis.problems import Conflict, Invalid, NotFound, Problem, unknown_reference
from chassis.wire import Page
from experiments.domain.ab_tests import AbTest, Status, frozen_changes
from experiments.domain.deals import DealsDiffer, deal
from experiments.domain.slots import FULL_WEIGHT, Slot
from experiments.domain.tallies import Counts
from experiments.measures.verdict import Verdict, verdict
from experiments.operations import arms, slots
from experiments.operations.filters import conditions
from experiments.store import ab_tests as store
from experiments.store import replicas, tallies
from experiments.store import slots as slot_store

_SPELLED = {
    "project_id": "project",
    "control_slot_id": "control_slot",
    "variant_slot_id": "variant_slot",
}


class WrongState(Problem):
    """A test is not in the state that the request needs."""

    status = 400
    code = "WRONG_STATE"

    def __init__(self, detail: str) -> None:
        """Say what is wrong, also in the member that Recotem's clients read."""
        super().__init__(detail, members={"error": detail})


class AbTests:
    """The declared resource `ab_test`."""

    noun: str = "ABTest"

    async def find(
        self, tx: Transaction, *, page: Page, where: Mapping[str, Any]
    ) -> tuple[Sequence[AbTest], int]:
        """Return a page of tests."""
        wanted = conditions(tx.caller, where, status=Status)
        if wanted is None:
            return [], 0
        return await store.find(tx.session, wanted, offset=page.offset, limit=page.size)

    async def get(self, tx: Transaction, row_id: int) -> AbTest | None:
        """Return a test that the caller may see."""
        test = await store.get(tx.session, row_id)
        return test if test and tx.caller.may_see(test.project_id) else None

    async def add(self, tx: Transaction, values: Mapping[str, Any]) -> AbTest:
        """Draft a test."""
        await _check(tx, values)
        return await store.add(tx.session, values, at=tx.clock())

    async def change(
        self, tx: Transaction, row_id: int, values: Mapping[str, Any]
    ) -> AbTest | None:
        """Change a test; what its counts rest on stays once it has started."""
        test = await store.get(tx.session, row_id, hold=True)
        if test is None or not tx.caller.may_see(test.project_id):
            return None
        changed = test.changed(values, at=tx.clock())
        refused = frozen_changes(test, values)
        if refused:
            sentence = ["A test that has started cannot change this."]
            raise Invalid(fields={_SPELLED.get(name, name): sentence for name in refused})
        await _check(
            tx,
            {
                "project_id": changed.project_id,
                "control_slot_id": changed.control_slot_id,
                "variant_slot_id": changed.variant_slot_id,
            },
        )
        await store.put(tx.session, changed)
        return changed

    async def remove(self, tx: Transaction, row_id: int) -> bool:
        """Delete a test with its tallies."""
        test = await store.get(tx.session, row_id, hold=True)
        if test is None or not tx.caller.may_see(test.project_id):
            return False
        await arms.close(tx, test)
        return True


async def start(tx: Transaction, test_id: int) -> AbTest:
    """Open a draft's window: from now on users stay in their arm and conversions count."""
    test, control, variant = await _held(tx, test_id)
    if test.status is not Status.DRAFT:
        raise WrongState("Can only start tests in DRAFT status")
    running = await _dealt(tx, test, control, variant)
    await store.put(tx.session, running)
    await tallies.count_afresh(tx.session, running, tenant_id=tx.tenant_id)
    arms.announce(tx, running, running=True)
    return running


async def stop(tx: Transaction, test_id: int) -> AbTest:
    """Close a running test's window; conversions of a time inside it still count when they come."""
    test, _control, _variant = await _held(tx, test_id)
    if test.status is not Status.RUNNING:
        raise WrongState("Can only stop RUNNING tests")
    done = test.stopped(at=tx.clock())
    await store.put(tx.session, done)
    if await tallies.any_after_the_end(tx.session, done):
        await tallies.count_afresh(tx.session, done, tenant_id=tx.tenant_id)
    arms.announce(tx, done, running=False)
    return done


async def judge(database: Database, caller: Caller, test_id: int) -> tuple[AbTest, Verdict]:
    """Return what the counts say so far, in any state."""
    async with database.transaction(caller, write=False) as tx:
        test = await store.get(tx.session, test_id)
        if test is None or not tx.caller.may_see(test.project_id):
            raise NotFound.of(AbTests.noun)
        control, variant = await tallies.of(tx.session, test)
    if not (control.complete and variant.complete):
        async with database.transaction(caller) as tx:
            test, control, variant = await _counted_afresh(tx, test_id)
    return test, verdict(
        control,
        variant,
        metric=test.target_metric_name,
        confidence=test.confidence_level,
        min_sample_size=test.min_sample_size,
        control_share=test.control_share,
    )


async def promote_winner(tx: Transaction, test_id: int, slot_id: object) -> Slot:
    """Give one arm of a completed test all the traffic; said again with the other, it changes."""
    test, *both = await _held(tx, test_id)
    if test.status is not Status.COMPLETED:
        raise WrongState("Can only promote winner of COMPLETED tests")
    winner_id = next((slot.id for slot in both if slot.id == slot_id), None)
    if winner_id is None or isinstance(slot_id, bool):
        raise WrongState("slot_id must be one of the test slots")
    for slot in both:
        won = slot.id == winner_id
        values = {"weight": FULL_WEIGHT, "is_active": True} if won else {"is_active": False}
        await slots.alter(tx, slot, values)
    await store.put(tx.session, replace(test, winner_slot_id=winner_id, updated_at=tx.clock()))
    winner = [slot for slot in both if slot.id == winner_id]
    return (await arms.awaited(tx, [replace(slot, weight=FULL_WEIGHT) for slot in winner]))[0]


async def _dealt(tx: Transaction, test: AbTest, control: Slot, variant: Slot) -> AbTest:
    """Return a test as it starts: where tests run on its slots already, users stay as dealt."""
    for slot in (control, variant):
        await arms.hold_weights(tx, slot)
    others = await arms.running_on(tx, test.slot_ids, hold=True)
    try:
        dealt = deal(test.id, control, variant, [other.hands for other in others])
    except DealsDiffer:
        ids = " and ".join(str(other.id) for other in others)
        raise WrongState(
            f"Running tests already deal both slots to the same users: {ids}"
        ) from None
    halves = [other for other in others if set(other.slot_ids) != set(test.slot_ids)]
    for other in halves:
        # Requests reach the shared slot through both tests from now on.
        await store.put(tx.session, replace(other, control_share=None))
    share = None if halves else dealt.control_share
    return test.started(dealt, at=tx.clock(), control_share=share)


async def _counted_afresh(tx: Transaction, test_id: int) -> tuple[AbTest, Counts, Counts]:
    """Return a test whose counts an older release wrote, which knew of no users, made complete."""
    test, _control, _variant = await _held(tx, test_id)
    control, variant = await tallies.of(tx.session, test)
    if not (control.complete and variant.complete):  # else another request was first
        await tallies.count_afresh(tx.session, test, tenant_id=tx.tenant_id)
        control, variant = await tallies.of(tx.session, test)
    return test, control, variant


async def _held(tx: Transaction, test_id: int) -> tuple[AbTest, Slot, Slot]:
    """Return a test and its slots, held until the commit: first the slots, as everybody does.

    While they are held no conversion is kept, so none slips past a window that opens or closes.
    """
    seen = await store.get(tx.session, test_id)
    if seen is None or not tx.caller.may_see(seen.project_id):
        raise NotFound.of(AbTests.noun)
    held = {slot.id: slot for slot in await slot_store.held(tx.session, seen.slot_ids)}
    test = await store.get(tx.session, test_id, hold=True)
    if test is None or set(test.slot_ids) != set(held):
        raise Conflict("Another request has just changed this.")
    return test, held[test.control_slot_id], held[test.variant_slot_id]


async def _check(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Refuse a project out of reach, slots that are not its own, and a test against itself."""
    project_id = values["project_id"]
    known = await replicas.project(tx.session, project_id)
    if known is None or not tx.caller.may_see(project_id):
        raise unknown_reference("project", project_id)
    for member, title in (("control_slot", "Control"), ("variant_slot", "Variant")):
        slot_id = values[f"{member}_id"]
        slot = await slot_store.get(tx.session, slot_id)
        if slot is None or not tx.caller.may_see(slot.project_id):
            raise unknown_reference(member, slot_id)
        if slot.project_id != project_id:
            sentence = f"{title} slot does not belong to this project."
            raise Invalid(fields={member: [sentence]})
    if values["control_slot_id"] == values["variant_slot_id"]:
        raise Invalid(fields={"variant_slot": ["Control and variant must be different slots."]})
