"""Optuna, asked for recipes and told how good they were."""

from dataclasses import dataclass
from typing import Any

import optuna

from training.domain.search_space import (
    FIRST_HALF_LIFE,
    RECENCY,
    SEARCH,
    Choice,
    Range,
    Real,
    Whole,
)
from training.learners import catalogue
from training.learners.catalogue import Recipe

#: What a score is told about.
Question = optuna.Trial


@dataclass
class Study:
    """One search among `learners`; `recency` says whether a fading history is worth a try."""

    study: optuna.Study
    learners: tuple[str, ...]
    recency: bool

    @classmethod
    def of(cls, learners: tuple[str, ...], *, seed: int, recency: bool) -> "Study":
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=False, constant_liar=False)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        made = cls(study, learners, recency)
        for learner in learners:
            study.enqueue_trial(made._first(learner, None))
        for learner in filter(made._fades, learners):
            study.enqueue_trial(made._first(learner, FIRST_HALF_LIFE))
        return made

    @property
    def first(self) -> int:
        """Return how many trials only learn what each learner's defaults are worth."""
        return len(self.learners) + sum(map(self._fades, self.learners))

    def ask(self) -> tuple[Question, Recipe]:
        """Return what to try next, and what to tell its score about."""
        trial = self.study.ask()
        learner = trial.suggest_categorical("learner", self.learners)
        values = {
            name: _suggested(trial, f"{learner}.{name}", range_)
            for name, range_ in SEARCH.get(learner, {}).items()
        }
        if self._fades(learner):
            # One name for all learners: what one finds out about recency helps the others.
            values["history_half_life"] = _suggested(trial, "history_half_life", RECENCY)
        return trial, catalogue.recipe(learner, values)

    def tell(self, trial: Question, score: float | None) -> None:
        """Note how good it was; None where it failed."""
        state = optuna.trial.TrialState.FAIL if score is None else None
        self.study.tell(trial, score, state=state)

    def _fades(self, learner: str) -> bool:
        return self.recency and learner in SEARCH

    def _first(self, learner: str, half_life: float | None) -> dict[str, Any]:
        defaults = catalogue.recipe(learner, {}).parameters
        first = {f"{learner}.{name}": defaults[name] for name in SEARCH.get(learner, {})}
        recency = {"history_half_life": half_life} if self._fades(learner) else {}
        return {"learner": learner, **first, **recency}


def _suggested(trial: optuna.Trial, name: str, range_: Range) -> Any:
    match range_:
        case Whole(low, high, log):
            return trial.suggest_int(name, low, high, log=log)
        case Real(low, high, log):
            return trial.suggest_float(name, low, high, log=log)
        case Choice(values):
            return trial.suggest_categorical(name, values)
