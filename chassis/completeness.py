"""Refuses requests until everything that a service answers from memory has been read."""

from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.edge import QUIET, send_problem
from chassis.problems import Unavailable


class Reading(Protocol):
    """What reads topics into memory."""

    async def ready(self) -> bool:
        """Tell whether all that was there at the start has been read."""
        ...


class Completeness:
    """A layer around an application whose half-read memory would answer 404 for what exists."""

    def __init__(self, app: ASGIApp) -> None:
        """Let everything pass once `app.state.consumers` have been ready."""
        self._app = app
        self._complete = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] == "http" and scope["path"] not in QUIET and not await self._is(scope):
            refusal = Unavailable("The service is still reading what it needs; try again.")
            await send_problem(refusal, scope, send)
            return
        await self._app(scope, receive, send)

    async def _is(self, scope: Scope) -> bool:
        if not self._complete:
            consumers: Reading | None = getattr(scope["app"].state, "consumers", None)
            self._complete = consumers is None or await consumers.ready()
        return self._complete
