"""What clients are told of what went wrong in the gateway."""

from chassis import telemetry
from chassis.away import is_away
from chassis.problems import Problem, Unavailable


def problem_of(error: Exception) -> Problem:
    """Return what the client is told of an error: everything of a refusal, nothing of a mistake."""
    if isinstance(error, Problem):
        return error
    telemetry.log.error("a request failed in the gateway", exc_info=error)
    if is_away(error):
        return Unavailable("The gateway cannot reach what it needs; try again.")
    return Problem("Something went wrong.")
