"""Requests that the database refused for the sake of another one are carried out again.

Two transactions can wait for each other's rows: the database ends one of them (a deadlock), and
undoes all that it did. The same request then succeeds, and no client need know. Only requests whose
work is one transaction are tried again: others may have left something behind.
"""

import asyncio
import random
from typing import Any

from sqlalchemy.exc import DBAPIError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import telemetry
from chassis.away import is_refused_for_now

_MAY_TRY_AGAIN = "millrace.may_try_again"
_ONE_TRANSACTION = "millrace.one_transaction"
_ATTEMPTS = 4
#: Bytes of a body that are kept to be read again.
_KEPT_BYTES = 1_048_576
#: Seconds to wait at most, so that those who met do not meet again.
_PAUSE = 0.05


def note_one_transaction(scope: Any) -> None:
    """Note that all a request does is one transaction: none of it stays if that fails."""
    scope[_ONE_TRANSACTION] = True


def is_tried_again(scope: Any, error: Exception) -> bool:
    """Tell whether a failed request is carried out again: then nobody is to answer it yet."""
    may = scope.get(_MAY_TRY_AGAIN)
    return bool(may and may.whole and scope.get(_ONE_TRANSACTION)) and is_refused_for_now(error)


class SecondTry:
    """A layer around an application."""

    def __init__(self, app: ASGIApp) -> None:
        """Carry out requests by this application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        before = dict(scope)
        body = _Body(receive)
        for _attempt in range(_ATTEMPTS - 1):
            scope[_MAY_TRY_AGAIN] = body
            try:
                await self._app(scope, body.receive, send)
                return
            except DBAPIError as error:
                if not is_tried_again(scope, error):
                    raise
                telemetry.log.info("the database preferred another request; this one tries again")
            await asyncio.sleep(random.uniform(0, _PAUSE))  # noqa: S311 - a pause, no secret
            # Outer layers hold this very mapping, and read what the last attempt wrote into it.
            scope.clear()
            scope.update(before)
            body.rewind()
        await self._app(scope, body.receive, send)


class _Body:
    """What a client sends, kept as long as it is short, to be read once more."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._kept: list[Message] = []
        self._at = 0
        self._bytes = 0

    @property
    def whole(self) -> bool:
        """Tell whether all that was read is kept."""
        return self._bytes <= _KEPT_BYTES

    async def receive(self) -> Message:
        """Return the next message, from what is kept or from the client."""
        if self._at < len(self._kept):
            self._at += 1
            return self._kept[self._at - 1]
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self.whole:
            self._kept.append(message)
            self._at += 1
        else:
            self._kept.clear()
            self._at = 0
        return message

    def rewind(self) -> None:
        """Begin again with what is kept."""
        self._at = 0
