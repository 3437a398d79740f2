"""How often a record's effect is tried: for ever while something is away, else a few times."""

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)
from tenacity.stop import stop_base

from chassis.away import is_away
from chassis.problems import Problem, Unavailable

_ATTEMPTS = 4


def retrying(*, alone: bool) -> AsyncRetrying:
    """Retry for ever what is away; a lone record that fails otherwise gets a few more chances."""
    return AsyncRetrying(
        wait=wait_exponential_jitter(multiplier=0.05, max=5, jitter=0.05),
        stop=_StopUnlessAway(_ATTEMPTS if alone else 1),
        retry=retry_if_exception_type(Exception),
        reraise=True,
    )


class _StopUnlessAway(stop_base):
    """Stop after some attempts, unless the failure says that something outside is away."""

    def __init__(self, attempts: int) -> None:
        self._limit = stop_after_attempt(attempts)

    def __call__(self, retry_state: RetryCallState) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        if isinstance(error, Problem) and not isinstance(error, Unavailable):
            return True
        # What is away is waited for, for ever, rather than give a good record up.
        return not is_away(error) and self._limit(retry_state)
