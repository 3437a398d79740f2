"""Errands: a visit to a payment page, known by a secret in its address."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from billing.domain.plans import Interval

#: How long an address works.
LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Errand:
    """What somebody was sent to a payment page for. A portal visit chooses its plan there."""

    secret: str
    tenant_id: str
    kind: Literal["checkout", "portal"]
    plan_id: str | None
    interval: Interval
    expires_at: datetime
    done: bool

    def open_at(self, moment: datetime) -> bool:
        """Tell whether the page may still change anything."""
        return not self.done and moment < self.expires_at
