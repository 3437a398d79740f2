"""A tenant's algorithms: which there are, and when one trains by itself."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

COLLABORATIVE = "collaborative"
CONTENT_BASED = "content-based"
HYBRID = "hybrid"
DEEP_LEARNING = "deep-learning"

#: In the order in which clients see them.
ALGORITHMS = (COLLABORATIVE, CONTENT_BASED, HYBRID, DEEP_LEARNING)
#: Those with a training of their own.
TRAINED = (COLLABORATIVE, CONTENT_BASED)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When algorithms train by themselves."""

    first_interactions: int = 100
    first_users: int = 5
    #: Train again after this share of new interactions, or after `growth_limit` of them.
    growth: float = 0.2
    growth_limit: int = 1000
    #: A burst has to be over for this long, so that one training sees all of it …
    quiet: timedelta = timedelta(seconds=2)
    #: … but nobody waits longer than this for a burst to end.
    patience: timedelta = timedelta(seconds=30)
    #: Never sooner than this after the last training began.
    interval: timedelta = timedelta(seconds=60)
    #: With anything new at all, at the latest after this.
    schedule: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Tally:
    """What a tenant has kept so far."""

    tenant_id: str
    interactions: int
    items: int
    first_new_at: datetime
    last_new_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an algorithm of a tenant has come."""

    name: str
    #: Interactions and described items known when the newest model's training began.
    interactions_seen: int = 0
    items_seen: int = 0
    requested_at: datetime | None = None
    trained_at: datetime | None = None
    model_id: int | None = None
    version: str | None = None
    versions: int = 0


def missing(rhythm: Rhythm, tally: Tally, progress: Progress) -> int:
    """Return how many more interactions start the next training; 0 when enough have come."""
    if progress.requested_at is None:
        return max(0, rhythm.first_interactions - tally.interactions)
    grown = min(math.ceil(progress.interactions_seen * rhythm.growth), rhythm.growth_limit)
    return max(0, progress.interactions_seen + max(grown, 1) - tally.interactions)


def is_due(rhythm: Rhythm, tally: Tally, progress: Progress, *, now: datetime) -> bool:
    """Tell whether an algorithm should train now, nobody having asked."""
    if progress.name == CONTENT_BASED and tally.items == 0:
        return False
    if progress.requested_at is not None and now < progress.requested_at + rhythm.interval:
        return False
    if not (_enough(rhythm, tally, progress) or _scheduled(rhythm, tally, progress, now=now)):
        return False
    is_quiet = now >= tally.last_new_at + rhythm.quiet
    return is_quiet or now >= tally.first_new_at + rhythm.patience


def next_training(rhythm: Rhythm, tally: Tally | None, progress: Progress) -> datetime | None:
    """Return when the schedule trains it next, or None while that hangs on volume alone."""
    if tally is None or progress.requested_at is None:
        return None
    is_news = tally.interactions > progress.interactions_seen
    return progress.requested_at + rhythm.schedule if is_news else None


def _enough(rhythm: Rhythm, tally: Tally, progress: Progress) -> bool:
    if missing(rhythm, tally, progress) == 0:
        return True
    described = progress.name == CONTENT_BASED and progress.requested_at is not None
    return described and tally.items - progress.items_seen > progress.items_seen * rhythm.growth


def _scheduled(rhythm: Rhythm, tally: Tally, progress: Progress, *, now: datetime) -> bool:
    at = next_training(rhythm, tally, progress)
    return at is not None and now >= at
