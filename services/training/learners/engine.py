"""The two things the engine does for a job: search for parameters, and learn a model.

A model is judged on a part of its data that neither its learner nor the search for its parameters
has seen; then the same recipe learns from everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from training.learners import catalogue, tuning
from training.learners.catalogue import Recipe, fit
from training.learners.evaluation import Exam, exam
from training.learners.fusion import fused
from training.learners.interactions import Interactions
from training.learners.items import Items
from training.learners.matrix import Matrix, matrix_of
from training.learners.model import LearnedModel
from training.learners.orders import (
    Evaluation,
    LearningOrder,
    NothingLearnt,
    OrderRefused,
    Scheme,
    Split,
    Tuning,
)
from training.learners.progress import Cancel, Progress, Report, never, silent
from training.learners.proofs import proof_rows
from training.learners.tuning import TuningResult

#: What `collaborative` is the best of, where the order does not say.
COLLABORATIVE_TUNING = Tuning(
    algorithms=(
        "DenseSLIMRecommender",
        "EDLAERecommender",
        "TruncatedSVDRecommender",
        "RP3betaRecommender",
        "IALSRecommender",
    ),
    n_trials=30,
    # Some ten minutes of one core. Not a time: the data and the seed alone decide what is found.
    effort=3e12,
    # Dense models of more than some 8,000 items take minutes a trial.
    memory_budget=1500,
)

_BASELINE = catalogue.recipe("TopPopRecommender", {})
_WITH_ITEMS = {catalogue.CONTENT, catalogue.HYBRID}
_TUNED_ALWAYS = {catalogue.COLLABORATIVE, catalogue.HYBRID}


def tune(
    order: LearningOrder,
    interactions: Interactions,
    *,
    report: Report = silent,
    cancelled: Cancel = never,
) -> TuningResult:
    """Search by the order's tuning, each trial judged on the order's split.

    OrderRefused, NothingLearnt and Cancelled as the package says.
    """
    paper = exam(matrix_of(interactions), order.split, cutoff=order.evaluation.cutoff)
    return _searched(order, paper, order.split, Progress(report, cancelled))


def learn(
    order: LearningOrder,
    interactions: Interactions,
    items: Items | None = None,
    *,
    report: Report = silent,
    cancelled: Cancel = never,
) -> LearnedModel:
    """Learn what the order asks for, tuned and measured where it says so.

    `items` serves content-based and hybrid, and names items that nobody has touched yet.
    OrderRefused, NothingLearnt and Cancelled as the package says.
    """
    learner = catalogue.learner_named(order.learner)
    catalogue.check(learner, order.parameters)
    items = items if learner in _WITH_ITEMS else None
    progress = Progress(report, cancelled)
    matrix = matrix_of(interactions, also=() if items is None else items.ids)
    progress.say(0.02, _inventory(matrix))
    session = _Session(replace(order, learner=learner), matrix, items)
    return session.learnt(progress)


@dataclass(frozen=True)
class _Session:
    """One order with its data."""

    order: LearningOrder
    matrix: Matrix
    items: Items | None

    def learnt(self, progress: Progress) -> LearnedModel:
        paper = self._exam(self.matrix) if self.order.measure else None
        known = self.matrix if paper is None else paper.train
        recipe, result = self._chosen(known, progress.part(0.02, 0.7))
        metrics = self._measured(recipe, paper, progress.part(0.7, 0.85))
        progress.say(0.85, f"Learning {recipe} from everything.")
        fitted = fit(recipe, self.matrix, self.items, seed=self.order.seed)
        progress.say(0.97, "Writing down proofs.")
        return LearnedModel(
            asked_for=self.order.learner,
            recipe=recipe,
            fitted=fitted,
            matrix=self.matrix,
            seed=self.order.seed,
            data_digest=_digest(self.matrix, self.items),
            metrics=metrics,
            proof=proof_rows(fitted, self.matrix, half_life=recipe.half_life, seed=self.order.seed),
            tuning=result,
        )

    def _chosen(self, known: Matrix, progress: Progress) -> tuple[Recipe, TuningResult | None]:
        """Return what to learn, found without a look at anything but `known`."""
        order = self.order
        if order.tuning is None and order.learner not in _TUNED_ALWAYS:
            return catalogue.recipe(order.learner, order.parameters), None
        if order.learner == catalogue.HYBRID and order.parameters:
            return catalogue.recipe(order.learner, order.parameters), None
        paper = self._exam(known)
        if paper is None:
            progress.say(0.0, "Too little data to search for parameters: taking the defaults.")
            return _default(order.learner, known), None
        told = order if order.tuning else replace(order, tuning=COLLABORATIVE_TUNING)
        result = _searched(told, paper, self._split(known), progress.part(0.0, 0.9))
        if order.learner != catalogue.HYBRID:
            return result.recipe, result
        return fused(result.recipe, paper, self.items, order, progress.part(0.9, 1.0)), result

    def _measured(
        self, recipe: Recipe, paper: Exam | None, progress: Progress
    ) -> Mapping[str, Any]:
        if paper is None:
            return {"measured": False}
        progress.say(0.0, f"Measuring {recipe} on {paper.users.size} users' held-out part.")
        marks = self._marks(recipe, paper)
        baseline = self._marks(_BASELINE, paper)
        metric = self.order.evaluation.metric.value
        told = f"{metric}@{paper.cutoff}={marks[metric]:.6f}, popularity {baseline[metric]:.6f}"
        progress.say(1.0, f"Measured {told}")
        return {
            "measured": True,
            "scheme": self._split(self.matrix).scheme.value,
            "metric": metric,
            "cutoff": paper.cutoff,
            "users": int(paper.users.size),
            **marks,
            "popularity": dict(baseline),
            "beats_popularity": marks[metric] > baseline[metric],
        }

    def _marks(self, recipe: Recipe, paper: Exam) -> Mapping[str, float]:
        model = fit(recipe, paper.train, self.items, seed=self.order.seed)
        return paper.marks(model, half_life=recipe.half_life)

    def _exam(self, matrix: Matrix) -> Exam | None:
        try:
            return exam(matrix, self._split(matrix), cutoff=self.order.evaluation.cutoff)
        except NothingLearnt:
            return None

    def _split(self, matrix: Matrix) -> Split:
        """Return the order's split, or a random one where the data has no times."""
        split = self.order.split
        return split if matrix.times is not None else replace(split, scheme=Scheme.RANDOM)


def _searched(order: LearningOrder, paper: Exam, split: Split, progress: Progress) -> TuningResult:
    if order.tuning is None:
        raise OrderRefused("the order says nothing of tuning")
    evaluation: Evaluation = order.evaluation
    return tuning.search(
        paper,
        order.tuning,
        evaluation=evaluation,
        split=split,
        seed=order.seed,
        progress=progress,
    )


def _default(learner: str, matrix: Matrix) -> Recipe:
    """Return what to learn from data too small to search in."""
    member = catalogue.recipe("CosineKNNRecommender", {})
    if learner != catalogue.HYBRID:
        return member
    told = {"member": member.learner, "member_parameters": dict(member.parameters)}
    return catalogue.recipe(learner, told)


def _digest(matrix: Matrix, items: Items | None) -> str:
    parts = matrix.digest + ("" if items is None else items.digest)
    return sha256(parts.encode()).hexdigest()


def _inventory(matrix: Matrix) -> str:
    users, items = matrix.seen.shape
    return f"{matrix.seen.nnz} interactions of {users} users with {items} items."
