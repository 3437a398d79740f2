"""Billing's word on what a tenant may use, as the domain reads it."""

from datetime import UTC, datetime

from contracts.billing import AllowanceChanged
from gateway.domain.allowances import Allowance


def allowance_of(event: AllowanceChanged) -> Allowance:
    """Return the allowance that an event tells of."""
    ends_at = datetime.fromisoformat(event.cycle_ends_at)
    return Allowance(
        used=event.used_centiunits,
        allowed=event.allowed_centiunits,
        cycle_ends_at=ends_at if ends_at.tzinfo else ends_at.replace(tzinfo=UTC),
        revision=event.revision,
    )
