"""The state machine of jobs, by example."""

from datetime import timedelta

import pytest

from training.domain.jobs import OVER, State, after_death, backoff, may_move


@pytest.mark.parametrize("over", sorted(OVER))
@pytest.mark.parametrize("after", list(State))
def test_a_job_that_is_over_stays_as_it_is(over: State, after: State) -> None:
    assert not may_move(over, after)


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        (State.PENDING, State.RUNNING, True),
        (State.PENDING, State.CANCELLED, True),
        (State.PENDING, State.COMPLETED, False),
        (State.RUNNING, State.COMPLETED, True),
        (State.RUNNING, State.FAILED, True),
        (State.RUNNING, State.CANCELLED, True),
        (State.RUNNING, State.PENDING, True),
        (State.RUNNING, State.RUNNING, False),
    ],
)
def test_a_job_moves_only_forward_or_back_to_waiting(
    before: State, after: State, allowed: bool
) -> None:
    assert may_move(before, after) is allowed


@pytest.mark.parametrize(
    ("attempt", "max_retries", "state"),
    [(1, 3, State.PENDING), (3, 3, State.PENDING), (4, 3, State.FAILED), (1, 0, State.FAILED)],
)
def test_a_dead_worker_is_replaced_as_often_as_allowed(
    attempt: int, max_retries: int, state: State
) -> None:
    assert after_death(attempt=attempt, max_retries=max_retries) is state


def test_each_attempt_waits_longer_but_never_for_minutes() -> None:
    assert [backoff(n) for n in (1, 2, 3)] == [timedelta(seconds=s) for s in (1, 2, 4)]
    assert backoff(50) == timedelta(seconds=30)
