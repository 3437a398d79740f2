"""Who asks, in the words that Recotem refuses with."""

from fastapi import Request

from chassis.identity import Caller, Scope, caller_of
from chassis.problems import Forbidden


def asking(request: Request, scope: Scope) -> Caller:
    """Return the caller, who needs the scope."""
    caller = caller_of(request)
    if scope not in caller.scopes:
        raise Forbidden(f"API key does not have '{scope}' scope")
    return caller
