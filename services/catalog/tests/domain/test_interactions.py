"""Rules of interactions, by example."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid5

import pytest

from catalog.domain.interactions import NAMESPACE, Interaction, canonical, interaction_id
from contracts.interactions import InteractionType

NOW = datetime(2026, 1, 15, tzinfo=UTC)
SENT = Interaction("e", "u", "i", InteractionType.CLICK, NOW)


@pytest.mark.parametrize(
    ("kind", "value", "weight"),
    [
        ("view", None, 0.1),
        ("click", None, 0.3),
        ("like", None, 0.7),
        ("purchase", None, 1.0),
        ("purchase", 0.0, 0.0),
    ],
)
def test_the_weight_follows_the_value_and_else_the_type(
    kind: str, value: float | None, weight: float
) -> None:
    assert SENT._replace(interaction_type=InteractionType(kind), value=value).weight == weight


def test_a_time_that_was_filled_in_is_no_part_of_the_body() -> None:
    later = NOW + timedelta(hours=1)
    assert SENT._replace(occurred_at=later).repeats(SENT)
    assert not SENT._replace(occurred_at=later, timed=True).repeats(SENT._replace(timed=True))


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": "v"},
        {"item_id": "j"},
        {"value": 0.3},
        {"session_id": "s"},
        {"request_id": "r"},
        {"metadata": "{}"},
    ],
)
def test_any_other_member_makes_another_body(change: dict[str, Any]) -> None:
    assert not SENT._replace(**change).repeats(SENT)


def test_the_door_and_the_trace_make_no_difference() -> None:
    assert SENT._replace(source="kafka", trace="00-1-2-01").repeats(SENT)


def test_metadata_has_one_spelling() -> None:
    assert canonical({"b": 1, "a": [True]}) == canonical({"a": [True], "b": 1})
    assert canonical({"a": True}) != canonical({"a": 1})
    assert canonical(None) is None


def test_public_ids_follow_from_tenant_and_event() -> None:
    assert interaction_id("t", "ü") == str(uuid5(NAMESPACE, "t:ü"))
    assert len({interaction_id("t", "e"), interaction_id("s", "e"), interaction_id("t", "f")}) == 3
