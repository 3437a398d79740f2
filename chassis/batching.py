"""Requests that wait together are served together: one commit or one read, then all answers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from chassis.away import is_away, is_refused_for_now

T = TypeVar("T")
R = TypeVar("R")
#: How often a write is tried that the database refuses for the sake of another one.
_ATTEMPTS = 6


@dataclass(slots=True)
class _Waiting(Generic[T, R]):
    item: T
    answer: asyncio.Future[R]


class GroupWriter(Generic[T, R]):
    """Collects what arrives while a write is under way and writes it in one go; a read likewise.

    `write` gets the items and returns one result each, in order; a result that is an exception is
    raised to its own caller alone. When `write` itself fails, every item is tried alone, so that
    one bad item fails by itself; when it fails because the store is away, all fail at once.
    """

    def __init__(
        self,
        write: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        *,
        limit: int = 256,
        backlog: int = 10_000,
    ) -> None:
        """Write at most `limit` items at a time; refuse more than `backlog` waiting ones."""
        self._write = write
        self._limit = limit
        self._backlog = backlog
        self._queue: list[_Waiting[T, R]] = []
        self._writing: asyncio.Task[None] | None = None

    async def submit(self, item: T) -> R:
        """Return the item's result once it is committed.

        Raises:
            OverflowError: too many items wait already.
        """
        if len(self._queue) >= self._backlog:
            raise OverflowError("too many writes wait")
        waiting = _Waiting[T, R](item, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._writing is None:
            self._writing = asyncio.create_task(self._drain())
        return await waiting.answer

    async def _drain(self) -> None:
        try:
            while self._queue:
                group, self._queue = self._queue[: self._limit], self._queue[self._limit :]
                await self._settle(group)
        finally:
            self._writing = None

    async def _settle(self, group: list[_Waiting[T, R]]) -> None:
        # Whoever has gone already asked for nothing any more.
        group = [waiting for waiting in group if not waiting.answer.done()]
        if not group:
            return
        try:
            results = await self._written([waiting.item for waiting in group])
        except Exception as error:
            if len(group) == 1 or is_away(error):
                for waiting in group:
                    _answer(waiting, error)
                return
            for waiting in group:
                await self._settle([waiting])
            return
        for waiting, result in zip(group, results, strict=True):
            _answer(waiting, result)

    async def _written(self, items: Sequence[T]) -> Sequence[R | Exception]:
        """Write a group, again where the database gave another transaction the precedence."""
        again = retry_if_exception(is_refused_for_now)
        async for attempt in AsyncRetrying(
            wait=wait_exponential_jitter(multiplier=0.01, max=0.5, jitter=0.02),
            stop=stop_after_attempt(_ATTEMPTS),
            retry=again,
            reraise=True,
        ):
            with attempt:
                return await self._write(items)
        raise AssertionError("the last attempt returns or raises")


def _answer(waiting: _Waiting[T, R], result: R | Exception) -> None:
    if waiting.answer.done():
        return  # its client has gone; the write stands
    if isinstance(result, Exception):
        waiting.answer.set_exception(result)
    else:
        waiting.answer.set_result(result)
