"""Deployment slots: which model a project serves, and how large its share is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

#: Weight of a slot that a finished experiment or a retraining puts in charge.
FULL_WEIGHT = 100.0


@dataclass(frozen=True, slots=True)
class Project:
    """What experiments must know of a project."""

    id: int
    name: str
    is_default: bool
    #: The person whose it is; None where it is everybody's.
    owner_id: int | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Slot:
    """One model in one project, drawn in proportion to its weight while it is active."""

    id: int
    project_id: int
    name: str
    model_id: int
    weight: float
    is_active: bool
    ins_datetime: datetime
    updated_at: datetime
    revision: int
    #: The running A/B test after whose end the weight acts; None where it acts now.
    applies_after_ab_test: int | None = None

    def changed(self, values: Mapping[str, Any], *, at: datetime) -> "Slot":
        """Return the slot with some members changed, one revision later."""
        return replace(self, **values, updated_at=at, revision=self.revision + 1)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model that was put into a slot by itself."""

    project_id: int
    slot_name: str
    model_id: int
    ready_at: datetime

    @property
    def age(self) -> tuple[datetime, int]:
        """Return what orders deployments, the newest last: a restored database may give an id of a
        lost model to another one, so time comes first.
        """
        return self.ready_at, self.model_id
