"""What an arm gains from conversions, by example."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.conversions import ConversionType
from experiments.domain.ab_tests import AbTest, Metric, Status
from experiments.domain.conversions import Conversion
from experiments.domain.tallies import Share, Tally, share_of
from experiments.tests.world import NOW

TEST = AbTest(
    id=1,
    project_id=1,
    name="t",
    status=Status.COMPLETED,
    control_slot_id=1,
    variant_slot_id=2,
    target_metric_name=Metric.CTR,
    min_sample_size=1,
    confidence_level=0.95,
    started_at=NOW,
    ended_at=NOW + timedelta(hours=1),
    winner_slot_id=None,
    ins_datetime=NOW,
    updated_at=NOW,
    revision=2,
    control_share=0.5,
)


def told(kind: str, at: datetime = NOW, **change: Any) -> Conversion:
    members: dict[str, Any] = {
        "id": 1,
        "project_id": 1,
        "slot_id": 1,
        "user_id": "u",
        "item_id": "",
        "conversion_type": ConversionType(kind),
        "request_id": None,
        "details": {},
        "source": "http",
        "event_id": "e",
        "occurred_at": at,
    }
    return Conversion(**members | change)


def test_requests_count_once_and_the_nameless_each_time() -> None:
    shown = [told("impression", request_id=r) for r in ("a", "b", "a", None, None)]
    assert share_of(TEST, 1, shown) == Share(Tally(impressions=2), frozenset("ab"))


def test_clicks_and_purchases_count_each_time() -> None:
    won = [told("click", request_id="a"), told("click", request_id="a"), told("purchase")]
    assert share_of(TEST, 1, won) == Share(Tally(0, 2, 1), frozenset())


@pytest.mark.parametrize(
    ("minutes", "counts"), [(-1, 0), (0, 1), (30, 1), (60, 1), (61, 0)], ids=str
)
def test_the_window_includes_both_ends(minutes: int, counts: int) -> None:
    click = told("click", NOW + timedelta(minutes=minutes))
    assert share_of(TEST, 1, [click]).tally.clicks == counts


def test_the_other_arms_conversions_are_its_own() -> None:
    assert share_of(TEST, 2, [told("click")]) == Share(Tally(), frozenset())


@pytest.mark.parametrize(
    ("metric", "conversions"),
    [(Metric.CTR, 3), (Metric.PURCHASE_RATE, 2), (Metric.CONVERSION_RATE, 5)],
)
def test_each_metric_counts_its_own_conversions(metric: Metric, conversions: int) -> None:
    assert Tally(impressions=9, clicks=3, purchases=2).conversions(metric) == conversions
