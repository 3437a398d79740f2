"""Billing's word on what a tenant may use, as the domain reads it."""

from datetime import UTC, datetime

from contracts.billing import AllowanceChanged
from gateway.domain.allowances import Allowance


def allowance_of(event: AllowanceChanged) -> Allowance:
    """Return the allowance that an event tells of."""
    return Allowance(
        used=event.used_centiunits,
        allowed=event.allowed_centiunits,
        cycle_ends_at=_moment(event.cycle_ends_at),
        revision=event.revision,
        counted_until=_moment(event.counted_until) if event.counted_until else None,
        renewed=event.renewed_centiunits,
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
