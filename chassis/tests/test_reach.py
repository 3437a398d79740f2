"""Which projects a caller reaches: those of its key, its own, and those that are nobody's."""

from dataclasses import replace

import pytest

from chassis.identity import AllBut, Caller
from chassis.testing import ADMIN, MEMBER, key_of

OTHERS = frozenset({7, 8})


@pytest.mark.parametrize(
    ("caller", "seen"),
    [
        (ADMIN, {1, 2, 7}),
        (replace(MEMBER, hidden=OTHERS), {1, 2}),
        (key_of("read", project=1), {1}),
        (replace(key_of("read", project=7), hidden=OTHERS), set()),
    ],
)
def test_a_project_is_seen_or_not(caller: Caller, seen: set[int]) -> None:
    assert {project for project in (1, 2, 7) if caller.may_see(project)} == seen


@pytest.mark.parametrize(
    ("caller", "where", "narrowed"),
    [
        (ADMIN, {"name": "x"}, {"name": "x"}),
        (ADMIN, {"project": 7}, {"project": 7}),
        (replace(MEMBER, hidden=OTHERS), {}, {"project": AllBut(OTHERS)}),
        (replace(MEMBER, hidden=OTHERS), {"project": 1}, {"project": 1}),
        (replace(MEMBER, hidden=OTHERS), {"project": 7}, None),
        (key_of("read", project=1), {}, {"project": 1}),
        (key_of("read", project=1), {"project": 2}, None),
        (replace(key_of("read", project=7), hidden=OTHERS), {}, None),
    ],
)
def test_a_list_is_narrowed_to_what_is_seen(
    caller: Caller, where: dict[str, object], narrowed: dict[str, object] | None
) -> None:
    assert caller.narrowed(where) == narrowed


def test_an_assertion_says_nothing_of_hidden_projects() -> None:
    hidden = replace(MEMBER, hidden=OTHERS)
    assert Caller.from_claims(hidden.to_claims()) == MEMBER
