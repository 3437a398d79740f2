"""When algorithms train by themselves, by example."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from training.domain.algorithms import (
    COLLABORATIVE,
    CONTENT_BASED,
    Progress,
    Rhythm,
    Tally,
    is_due,
    missing,
    next_training,
)

RHYTHM = Rhythm()
START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(hours=1)
TALLY = Tally("tenant", interactions=100, items=3, first_new_at=START, last_new_at=START)
NEW = Progress(COLLABORATIVE)
TRAINED = Progress(COLLABORATIVE, interactions_seen=1000, requested_at=START, items_seen=10)


@pytest.mark.parametrize(("count", "due"), [(0, False), (99, False), (100, True), (5000, True)])
def test_the_first_training_waits_for_enough_interactions(count: int, due: bool) -> None:
    assert is_due(RHYTHM, replace(TALLY, interactions=count), NEW, now=LATER) is due


@pytest.mark.parametrize(
    ("seen", "count", "due"),
    [
        (1000, 1199, False),
        (1000, 1200, True),
        (100_000, 100_999, False),
        (100_000, 101_000, True),
        (1, 1, False),
        (1, 2, True),
    ],
)
def test_the_next_training_waits_for_growth(seen: int, count: int, due: bool) -> None:
    progress = replace(TRAINED, interactions_seen=seen)
    assert is_due(RHYTHM, replace(TALLY, interactions=count), progress, now=LATER) is due


def test_a_burst_is_waited_out_but_not_for_ever() -> None:
    during = START + timedelta(seconds=10)
    busy = replace(TALLY, last_new_at=during)
    assert not is_due(RHYTHM, busy, NEW, now=during)
    assert is_due(RHYTHM, busy, NEW, now=during + RHYTHM.quiet)
    endless = replace(TALLY, last_new_at=START + RHYTHM.patience)
    assert is_due(RHYTHM, endless, NEW, now=START + RHYTHM.patience)


def test_trainings_keep_their_distance() -> None:
    grown = replace(TALLY, interactions=5000, first_new_at=START, last_new_at=START)
    assert not is_due(RHYTHM, grown, TRAINED, now=START + timedelta(seconds=59))
    assert is_due(RHYTHM, grown, TRAINED, now=START + timedelta(seconds=60))


def test_a_little_news_waits_for_the_schedule() -> None:
    a_little = replace(TALLY, interactions=1001)
    assert next_training(RHYTHM, a_little, TRAINED) == START + timedelta(hours=24)
    assert not is_due(RHYTHM, a_little, TRAINED, now=START + timedelta(hours=23))
    assert is_due(RHYTHM, a_little, TRAINED, now=START + timedelta(hours=24))


def test_no_news_means_no_training() -> None:
    same = replace(TALLY, interactions=1000)
    assert next_training(RHYTHM, same, TRAINED) is None
    assert not is_due(RHYTHM, same, TRAINED, now=START + timedelta(days=30))


def test_content_needs_described_items() -> None:
    assert not is_due(RHYTHM, replace(TALLY, items=0), Progress(CONTENT_BASED), now=LATER)
    assert is_due(RHYTHM, TALLY, Progress(CONTENT_BASED), now=LATER)


def test_content_trains_again_when_many_items_were_described_anew() -> None:
    content = replace(TRAINED, name=CONTENT_BASED)
    same = replace(TALLY, interactions=1000, items=12)
    assert not is_due(RHYTHM, same, content, now=LATER)
    assert is_due(RHYTHM, replace(same, items=13), content, now=LATER)


def test_what_is_missing_counts_down() -> None:
    assert missing(RHYTHM, replace(TALLY, interactions=40), NEW) == 60
    assert missing(RHYTHM, replace(TALLY, interactions=1150), TRAINED) == 50
    assert missing(RHYTHM, replace(TALLY, interactions=9000), TRAINED) == 0
