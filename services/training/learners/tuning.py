"""The search for the learner and parameters that rank held-out interactions best.

Optuna's tree-structured Parzen estimator (Bergstra et al. 2011) proposes; each learner's defaults
are tried first, then once more with a fading history where time is known, so that even a short
search ends no worse than them.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from training.learners import catalogue
from training.learners.catalogue import Recipe
from training.learners.evaluation import Exam
from training.learners.orders import (
    DEFAULT_ALGORITHMS,
    Evaluation,
    NothingLearnt,
    OrderRefused,
    Scheme,
    Split,
    Tuning,
)
from training.learners.progress import Progress
from training.learners.study import Question, Study
from training.learners.trials import Apart, Bench, Here, Outcome

_NOT_TUNED = {catalogue.COLLABORATIVE, catalogue.CONTENT, catalogue.HYBRID}


@dataclass(frozen=True)
class Trial:
    """One attempt: COMPLETE with its figures, or FAIL with the reason."""

    number: int
    recipe: Recipe
    marks: dict[str, float]
    failure: str = ""

    @property
    def state(self) -> str:
        """Return COMPLETE or FAIL."""
        return "FAIL" if self.failure else "COMPLETE"


@dataclass(frozen=True)
class TuningResult:
    """The best recipe, its score on the split it was chosen by, and all attempts in order."""

    recipe: Recipe
    score: float
    trials: tuple[Trial, ...]
    #: A time limit had a part in it, so that another machine may find something else.
    is_timed: bool = False

    @property
    def learner(self) -> str:
        """Return the class name of the best learner."""
        return self.recipe.learner

    @property
    def parameters(self) -> dict[str, Any]:
        """Return all parameters of the best learner."""
        return dict(self.recipe.parameters)


def tried(algorithms: Sequence[str] | None) -> tuple[str, ...]:
    """Return the learners a search goes through: known names, or the default where there are
    none."""
    found = []
    for name in algorithms or ():
        try:
            found.append(catalogue.learner_named(name))
        except OrderRefused:
            continue
    known = tuple(dict.fromkeys(name for name in found if name not in _NOT_TUNED))
    return known or DEFAULT_ALGORITHMS


def search(
    exam: Exam,
    tuning: Tuning,
    *,
    evaluation: Evaluation,
    split: Split,
    seed: int,
    progress: Progress,
) -> TuningResult:
    """Return the best recipe that `tuning`'s limits allow to find.

    OrderRefused for limits below 1, NothingLearnt where no trial ends with a score above 0.
    """
    _check(tuning)
    learners = _affordable(tried(tuning.algorithms), exam, tuning, progress)
    recency = exam.train.times is not None and split.scheme is not Scheme.RANDOM
    study = Study.of(learners, seed=seed if tuning.seed is None else tuning.seed, recency=recency)
    apart = tuning.parallel > 1 or tuning.timeout_singlestep is not None
    bench: Bench = Apart(exam, seed, tuning.parallel) if apart else Here(exam, seed)
    metric = f"{evaluation.metric}@{evaluation.cutoff}"
    hunt = _Hunt(study, bench, exam, tuning, evaluation.metric.value, metric, progress)
    try:
        return hunt.result()
    finally:
        bench.close()


@dataclass
class _Hunt:
    """One search under way."""

    study: Study
    bench: Bench
    exam: Exam
    tuning: Tuning
    metric: str
    label: str
    progress: Progress
    trials: list[Trial] = field(default_factory=list)
    work: float = 0.0
    is_timed: bool = False

    def result(self) -> TuningResult:
        started = time.monotonic()
        while len(self.trials) < self.tuning.n_trials and not self._is_spent():
            left = self._left(started)
            if left is not None and left <= 0 and self.trials:
                self._say(f"Stopped at the overall time limit after {len(self.trials)} trials.")
                self.is_timed = True
                break
            self._step(left)
        return self._best()

    def _is_spent(self) -> bool:
        """Tell whether the effort is made; each learner's defaults are tried in any case."""
        effort = self.tuning.effort
        if effort is None or self.work < effort or len(self.trials) < self.study.first:
            return False
        self._say(f"Stopped after {len(self.trials)} trials: the data is large.")
        return True

    def _step(self, left: float | None) -> None:
        width = min(self.bench.width, self.tuning.n_trials - len(self.trials))
        asked = [self.study.ask() for _ in range(width)]
        limits = [limit for limit in (self.tuning.timeout_singlestep, left) if limit is not None]
        outcomes = self.bench.run(
            [recipe for _, recipe in asked], self.progress, timeout=min(limits, default=None)
        )
        for (question, recipe), outcome in zip(asked, outcomes, strict=True):
            self._note(question, recipe, outcome)

    def _note(self, question: Question, recipe: Recipe, outcome: Outcome) -> None:
        trial = Trial(len(self.trials), recipe, dict(outcome.marks), outcome.failure)
        self.trials.append(trial)
        self.work += catalogue.work_needed(recipe.learner, self.exam.train)
        self.is_timed = self.is_timed or outcome.is_late
        self.study.tell(question, None if outcome.failure else outcome.marks[self.metric])
        told = outcome.failure or f"{self.label}={outcome.marks[self.metric]:.6f}"
        self._say(f"Trial {trial.number} with {recipe}: {trial.state}.\n{told}")

    def _best(self) -> TuningResult:
        complete = [trial for trial in self.trials if not trial.failure]
        best = max(complete, key=lambda trial: trial.marks[self.metric], default=None)
        if best is None or best.marks[self.metric] <= 0:
            raise NothingLearnt(f"no trial reached a {self.label} above 0")
        score = best.marks[self.metric]
        self._say(f"Found best configuration: {best.recipe} with {self.label} = {score:.6f}")
        return TuningResult(best.recipe, score, tuple(self.trials), self.is_timed)

    def _left(self, started: float) -> float | None:
        overall = self.tuning.timeout_overall
        return None if overall is None else overall - (time.monotonic() - started)

    def _say(self, message: str) -> None:
        self.progress.say(len(self.trials) / self.tuning.n_trials, message)


def _affordable(
    learners: tuple[str, ...], exam: Exam, tuning: Tuning, progress: Progress
) -> tuple[str, ...]:
    """Return the learners that fit into the memory budget, saying which do not."""
    fitting = []
    for learner in learners:
        needed = catalogue.memory_needed(learner, exam.train) / 1_000_000
        if needed * tuning.parallel <= tuning.memory_budget:
            fitting.append(learner)
        else:
            budget = f"{tuning.memory_budget} MB"
            progress.say(0.0, f"Left out {learner}: it needs {needed:.0f} MB a trial of {budget}.")
    if not fitting:
        raise NothingLearnt(f"no learner fits into {tuning.memory_budget} MB")
    return tuple(fitting)


def _check(tuning: Tuning) -> None:
    limits: tuple[tuple[str, float | None], ...] = (
        ("n_trials", tuning.n_trials),
        ("parallel", tuning.parallel),
        ("memory_budget", tuning.memory_budget),
    )
    for name, limit in limits:
        if limit is not None and limit < 1:
            raise OrderRefused(f"{name} must be at least 1")
    for name in ("timeout_overall", "timeout_singlestep"):
        seconds = getattr(tuning, name)
        if seconds is not None and seconds <= 0:
            raise OrderRefused(f"{name} must be above 0")
