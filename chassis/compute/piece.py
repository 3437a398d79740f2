"""One piece of work: waiting, running, ended; and what it reports to whom."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from chassis.compute.port import Kind, Report, Status
from chassis.compute.process import Launch, Order, converse
from chassis.compute.vigil import Vigil

#: Reports that wait for their reader; beyond them the oldest give way, as news goes stale.
BACKLOG = 10_000
_KINDS: Mapping[object, Kind] = {
    "progress": "progress",
    "log": "log",
    "result": "result",
    "error": "error",
}
_CANCELLED = "CANCELLED"
BEAT = b'{"kind":"beat"}\n'

logger = logging.getLogger(__name__)


class Piece:
    """The life of one piece of work."""

    def __init__(self, order: Order, launch: Launch, *, silence: float) -> None:
        """Wait for `run`, which starts a worker with `launch`; it may be silent so many seconds."""
        self.status = Status("pending")
        self._order = order
        self._launch = launch
        self._silence = silence
        self._news = asyncio.Queue[Report | None](BACKLOG)
        self._last_word: Report | None = None
        self._cancelled = asyncio.Event()

    def cancel(self) -> None:
        """Have the work end soon."""
        self._cancelled.set()

    async def run(self, seats: asyncio.Semaphore, *, grace: float) -> None:
        """Wait for a seat, work, and end with a result or an error."""
        try:
            if await self._take_seat(seats):
                try:
                    await self._work(grace)
                finally:
                    seats.release()
        finally:
            self._finish()

    async def reports(self) -> AsyncIterator[Report]:
        """Yield what is reported; whoever comes late still gets the last word."""
        while (report := await self._news.get()) is not None:
            yield report
        self._tell(None)
        if self._last_word is not None:
            yield self._last_word

    async def _take_seat(self, seats: asyncio.Semaphore) -> bool:
        """Return whether the work may start: it got a seat before it was cancelled."""
        seat = asyncio.create_task(seats.acquire())
        cancelled = asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait((seat, cancelled), return_when=asyncio.FIRST_COMPLETED)
        finally:
            cancelled.cancel()
            if not seat.done():
                seat.cancel()
        return seat.done() and not seat.cancelled()

    async def _work(self, grace: float) -> None:
        self.status = Status("running")
        try:
            worker = await self._launch(self._order)
        except OSError as error:
            self._last_word = _error("CRASHED", f"the work could not be started: {error}")
            return
        vigil = Vigil(worker.pid, silence=self._silence)

        def hear(line: bytes) -> None:
            vigil.heard()
            self._hear(line)

        ending = await converse(
            worker, self._order.spec, hear, cancelled=self._cancelled, grace=grace, vigil=vigil
        )
        if self._last_word is None:
            told = f"the work gave no sign of life for {self._silence:g} seconds"
            self._last_word = _error("CRASHED", told if vigil.is_over else str(ending))
        if self._last_word.kind == "error" and not self._cancelled.is_set():
            logger.warning("%s: %s", self._order.module, ending)

    def _hear(self, line: bytes) -> None:
        if line == BEAT:
            return
        report = _parse(line)
        if report.kind in ("result", "error"):
            self._last_word = report
        else:
            self._tell(report)

    def _finish(self) -> None:
        word = self._last_word
        if word is None or (self._cancelled.is_set() and word.kind == "error"):
            word = self._last_word = _error(_CANCELLED, "the work was cancelled")
        if word.kind == "result":
            self.status = Status("completed")
        elif word.body.get("code") == _CANCELLED:
            self.status = Status("cancelled")
        else:
            self.status = Status("failed", str(word.body.get("message")))
        self._tell(None)

    def _tell(self, report: Report | None) -> None:
        if self._news.full():
            self._news.get_nowait()
        self._news.put_nowait(report)


def _parse(line: bytes) -> Report:
    try:
        body: Any = orjson.loads(line)
        return Report(_KINDS[body.pop("kind")], body)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return Report("log", {"message": line.decode(errors="replace").rstrip(), "level": "info"})


def _error(code: str, message: str) -> Report:
    return Report("error", {"code": code, "message": message})
