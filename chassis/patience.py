"""Waiting for what is away: again and again, each pause longer, no two processes in step."""

from tenacity import AsyncRetrying, RetryCallState, stop_never, wait_exponential_jitter

from chassis import telemetry

#: Seconds of the first pause.
FIRST_PAUSE = 0.5


def patiently(waiting: str, *, longest: float) -> AsyncRetrying:
    """Try for ever, with pauses of at most `longest` seconds; each failure is logged."""

    def say(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        telemetry.log.warning("%s; trying again", waiting, exc_info=error)

    return AsyncRetrying(
        stop=stop_never,
        wait=wait_exponential_jitter(multiplier=FIRST_PAUSE, max=longest, jitter=FIRST_PAUSE),
        before_sleep=say,
    )
