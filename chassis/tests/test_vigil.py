"""Signs of life of a process, without a process."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from chassis.compute import vigil
from chassis.compute.vigil import LOOKS, Vigil


class Watched:
    """A process that computes as told, looked at without waiting."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, used: Iterator[float | None]) -> None:
        self.looks = 0
        self._used = used
        monkeypatch.setattr(vigil, "processor_seconds", lambda _pid: next(self._used))
        monkeypatch.setattr(asyncio, "sleep", self._look)

    async def _look(self, _seconds: float) -> None:
        self.looks += 1


async def test_a_process_that_neither_speaks_nor_computes_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(monkeypatch, itertools.repeat(1.5))
    watch = Vigil(1, silence=30.0)

    await watch.over()

    assert (watched.looks, watch.is_over) == (LOOKS, True)


async def test_computing_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = [1.0 + step * 1e-6 for step in range(50)]
    watched = Watched(monkeypatch, itertools.chain(busy, itertools.repeat(busy[-1])))

    await Vigil(1, silence=30.0).over()

    assert watched.looks == len(busy) - 1 + LOOKS


async def test_a_word_is_a_sign_of_life_where_nothing_can_be_told_of_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(monkeypatch, itertools.repeat(None))
    watch = Vigil(1, silence=30.0)
    look = watched._look

    async def heard(seconds: float) -> None:
        await look(seconds)
        if watched.looks <= 50:
            watch.heard()

    monkeypatch.setattr(asyncio, "sleep", heard)

    await watch.over()

    assert 50 + LOOKS - 1 <= watched.looks <= 50 + LOOKS


async def test_the_processor_time_of_a_process_is_told() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "600")
    try:
        used = vigil.processor_seconds(process.pid)
        assert used is not None
        assert 0.0 <= used < 600.0
    finally:
        process.kill()
        await process.wait()
    assert vigil.processor_seconds(process.pid) is None
