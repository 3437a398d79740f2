"""Where a trial runs: in this process, or in one of its own that can be stopped and timed out.

A learner computing in native code cannot be interrupted; its process can.
"""

import multiprocessing
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Protocol, Self

from chassis.compute.vigil import processor_seconds
from training.learners.catalogue import Recipe, fit
from training.learners.evaluation import Exam
from training.learners.orders import NothingLearnt, OrderRefused
from training.learners.progress import Progress

#: Seconds between two looks at whether the job was cancelled.
_TICK = 0.25
#: Looks in a row at a process that does not compute, after which it is given up.
_IDLE_LOOKS = 120
_DIED = "its process died, most likely of too little memory"
_STOOD_STILL = "its process stood still"


@dataclass(frozen=True)
class Outcome:
    """What a trial came to: figures by metric, or why there are none."""

    marks: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""
    #: It failed for want of time alone.
    is_late: bool = False


class Bench(Protocol):
    """Runs trials; as many at a time as `width` says."""

    width: int

    def run(
        self, recipes: Sequence[Recipe], progress: Progress, *, timeout: float | None
    ) -> list[Outcome]:
        """Return the outcome of each recipe, in order; each may take `timeout` seconds."""
        ...

    def close(self) -> None:
        """Stop what still runs."""
        ...


def judged(recipe: Recipe, exam: Exam, seed: int) -> Outcome:
    """Learn a recipe on the exam's training part and mark it."""
    try:
        model = fit(recipe, exam.train, None, seed=seed)
    except (OrderRefused, NothingLearnt, MemoryError) as refused:
        return Outcome(failure=str(refused) or type(refused).__name__)
    return Outcome(marks=exam.marks(model, half_life=recipe.half_life))


@dataclass
class Here:
    """Trials one after the other in this process; nothing can interrupt one."""

    exam: Exam
    seed: int
    width: int = 1

    def run(
        self, recipes: Sequence[Recipe], progress: Progress, *, timeout: float | None
    ) -> list[Outcome]:
        progress.check()
        return [judged(recipe, self.exam, self.seed) for recipe in recipes]

    def close(self) -> None:
        return


@dataclass
class Apart:
    """Trials in processes of their own, `width` at a time; one that takes too long is killed."""

    exam: Exam
    seed: int
    width: int
    _seats: dict[int, "_Seat"] = field(default_factory=dict)

    def run(
        self, recipes: Sequence[Recipe], progress: Progress, *, timeout: float | None
    ) -> list[Outcome]:
        started = time.monotonic()
        for place, recipe in enumerate(recipes):
            self._send(place, recipe)
        deadline = None if timeout is None else started + timeout
        return [self._answer(place, progress, deadline) for place in range(len(recipes))]

    def close(self) -> None:
        for seat in self._seats.values():
            seat.stop()
        self._seats.clear()

    def _seat(self, place: int) -> "_Seat":
        if place not in self._seats:
            self._seats[place] = _Seat.open(self.exam, self.seed)
        return self._seats[place]

    def _send(self, place: int, recipe: Recipe) -> None:
        try:
            self._seat(place).pipe.send(recipe)
        except OSError:  # killed since its last trial, which was none of its own doing
            self._seats.pop(place).stop()
            self._seat(place).pipe.send(recipe)

    def _answer(self, place: int, progress: Progress, deadline: float | None) -> Outcome:
        seat = self._seats[place]
        idle = Idleness(seat.process.pid)
        while not seat.pipe.poll(_TICK if deadline is None else min(_TICK, _left(deadline))):
            progress.check()
            if deadline is not None and not _left(deadline):
                return self._emptied(place, "took longer than its time limit", is_late=True)
            if idle.looks() >= _IDLE_LOOKS:
                return self._emptied(place, _STOOD_STILL)
        try:
            outcome = seat.pipe.recv()
        except (EOFError, OSError):
            return self._emptied(place, _DIED)
        assert isinstance(outcome, Outcome)  # noqa: S101 (our own process wrote it)
        return outcome

    def _emptied(self, place: int, failure: str, *, is_late: bool = False) -> Outcome:
        self._seats.pop(place).stop()
        return Outcome(failure=failure, is_late=is_late)


class Idleness:
    """For how many looks in a row a process has not computed."""

    def __init__(self, pid: int | None) -> None:
        """Look at a process; one that cannot be looked at never counts as idle."""
        self._pid = pid or 0
        self._used = processor_seconds(self._pid)
        self._looks = 0

    def looks(self) -> int:
        """Look again."""
        used = processor_seconds(self._pid)
        self._looks = self._looks + 1 if used is not None and used == self._used else 0
        self._used = used
        return self._looks


@dataclass(frozen=True)
class _Seat:
    """One process that learns what it is sent."""

    process: BaseProcess
    pipe: "Connection[Recipe, Outcome]"

    @classmethod
    def open(cls, exam: Exam, seed: int) -> Self:
        # A forked child would inherit locked thread pools; a spawned one starts clean.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_sit, args=(theirs, exam, seed), daemon=True)
        process.start()
        theirs.close()
        idle = Idleness(process.pid)
        while not ours.poll(_TICK):
            if not process.is_alive() or idle.looks() >= _IDLE_LOOKS:
                process.kill()
                raise OSError("a process for trials did not start")
        ours.recv()
        return cls(process=process, pipe=ours)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()
        self.process.close()


def _sit(pipe: "Connection[Outcome, Recipe | None]", exam: Exam, seed: int) -> None:
    pipe.send(Outcome())  # Ready: the start is nobody's computing time.
    try:
        while (recipe := pipe.recv()) is not None:
            pipe.send(judged(recipe, exam, seed))
    except EOFError:
        return


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
