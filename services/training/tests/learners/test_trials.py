"""Trials in processes of their own, some of which come to harm."""

import os
import signal
from collections.abc import Iterator
from multiprocessing.process import BaseProcess

import pytest

from training.learners import trials
from training.learners.catalogue import recipe
from training.learners.evaluation import exam
from training.learners.matrix import matrix_of
from training.learners.orders import Split
from training.learners.progress import Progress
from training.learners.trials import Apart, Outcome
from training.tests.learners.samples import groups

RECIPE = recipe("TopPopRecommender", {})


@pytest.fixture
def apart() -> Iterator[Apart]:
    bench = Apart(exam(matrix_of(groups()), Split(), cutoff=5), seed=1, width=1)
    yield bench
    bench.close()


def outcome(apart: Apart) -> Outcome:
    [found] = apart.run([RECIPE], Progress(), timeout=None)
    return found


def process_of(apart: Apart) -> BaseProcess:
    [seat] = apart._seats.values()
    return seat.process


def test_a_process_that_was_killed_between_two_trials_is_replaced(apart: Apart) -> None:
    before = outcome(apart)
    killed = process_of(apart)
    os.kill(killed.pid or 0, signal.SIGKILL)
    killed.join()

    assert before.marks
    assert outcome(apart) == before


def test_a_trial_that_stands_still_fails_and_the_next_goes_on(
    apart: Apart, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = outcome(apart)
    os.kill(process_of(apart).pid or 0, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(trials, "_IDLE_LOOKS", 3)
        patch.setattr(trials, "_TICK", 0.01)

        assert outcome(apart) == Outcome(failure="its process stood still")

    assert outcome(apart) == before
