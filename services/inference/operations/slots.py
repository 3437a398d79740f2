"""The deployment slots and running tests of all projects; they follow `slots`."""

import random
from collections.abc import Sequence

from chassis.problems import NotFound
from contracts.slots import AbTestChanged, SlotChanged, SlotEvent
from inference.domain.slots import AbTest, Deal, Slot, draw, takers_of
from inference.operations.serving import Shelf

_Project = tuple[str, int]


class Slots:
    """A replica of slots and tests."""

    def __init__(self, shelf: Shelf) -> None:
        """Draw among slots whose models this shelf knows."""
        self._shelf = shelf
        self._slots: dict[_Project, dict[int, Slot]] = {}
        self._tests: dict[_Project, dict[int, AbTest]] = {}
        self._revisions: dict[tuple[str, int], int] = {}

    async def apply(self, events: Sequence[SlotEvent]) -> None:
        """Follow changes; an older revision never replaces a newer one."""
        for event in events:
            if isinstance(event, AbTestChanged):
                self._apply_test(event)
            elif self._is_news(("slot", event.slot_id), event.revision):
                slots = self._slots.setdefault((event.tenant_id, event.project_id), {})
                slots.pop(event.slot_id, None)
                if isinstance(event, SlotChanged):
                    slots[event.slot_id] = _slot(event)

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop a tenant's slots and tests."""
        for projects in (self._slots, self._tests):
            for project in [each for each in projects if each[0] == tenant_id]:
                del projects[project]

    def draw(self, tenant_id: str, project_id: int, user_id: str) -> Slot:
        """Return the slot that answers a user of a project now.

        Raises:
            NotFound: no slot of the project takes traffic.
        """
        project = (tenant_id, project_id)
        slot = draw(
            self._usable(project),
            self._running(project),
            user_id=user_id,
            chance=random.random(),  # noqa: S311 - traffic, not secrets
        )
        if slot is None:
            raise NotFound("No active deployment slots for project")
        return slot

    def has(self, tenant_id: str, project_id: int) -> bool:
        """Tell whether a project has a slot that could answer."""
        project = (tenant_id, project_id)
        return bool(takers_of(self._usable(project), self._running(project)))

    def _usable(self, project: _Project) -> list[Slot]:
        return [slot for slot in self._slots.get(project, {}).values() if self._is_usable(slot)]

    def _running(self, project: _Project) -> list[AbTest]:
        return list(self._tests.get(project, {}).values())

    def _is_usable(self, slot: Slot) -> bool:
        model = self._shelf.find(slot.model_id)
        return model is not None and model.tenant_id == slot.tenant_id

    def _apply_test(self, event: AbTestChanged) -> None:
        if not self._is_news(("ab_test", event.test_id), event.revision):
            return
        tests = self._tests.setdefault((event.tenant_id, event.project_id), {})
        tests.pop(event.test_id, None)
        if event.running:
            tests[event.test_id] = AbTest(
                event.test_id, event.control_slot_id, event.variant_slot_id, _deal(event)
            )

    def _is_news(self, thing: tuple[str, int], revision: int) -> bool:
        if self._revisions.get(thing, -1) >= revision:
            return False
        self._revisions[thing] = revision
        return True


def _slot(event: SlotChanged) -> Slot:
    return Slot(
        slot_id=event.slot_id,
        tenant_id=event.tenant_id,
        project_id=event.project_id,
        name=event.name,
        model_id=event.model_id,
        weight=event.weight,
        is_active=event.is_active,
    )


def _deal(event: AbTestChanged) -> Deal | None:
    if event.deal_test_id is None:
        return None
    return Deal(
        test_id=event.deal_test_id,
        control_weight=event.control_weight or 0.0,
        variant_weight=event.variant_weight or 0.0,
        control_low=event.control_low or 0.0,
        control_high=event.control_high or 0.0,
    )
