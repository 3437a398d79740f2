"""The weights of a hybrid, found on a held-out part."""

from collections.abc import Mapping
from itertools import product

from training.learners import catalogue
from training.learners.arrays import Codes, Doubles
from training.learners.catalogue import Recipe, fit
from training.learners.evaluation import Exam
from training.learners.hybrid import Hybrid, level
from training.learners.items import Items
from training.learners.orders import LearningOrder, NothingLearnt
from training.learners.profiles import profiles
from training.learners.progress import Progress

#: Weights tried for each voice beside the collaborative one, which has 1.
_CONTENT = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
_POPULARITY = (0.0, 0.05, 0.1, 0.2)
#: Content keeps this much of a voice even where it does not pay: it alone knows items of today.
_LEAST_CONTENT = 0.02
#: Cells of the members' scores kept in memory while weights are tried.
_CELLS = 20_000_000


def fused(
    member: Recipe, exam: Exam, items: Items | None, order: LearningOrder, progress: Progress
) -> Recipe:
    """Return the hybrid of this member whose weights rank the exam's held-out part best."""
    told = {"member": member.learner, "member_parameters": dict(member.parameters)}
    if items is not None and not _describes(items, exam, order.seed):
        items = None
    equal = catalogue.recipe(catalogue.HYBRID, {**told, "collaborative": 1.0, "popularity": 1.0})
    model = fit(equal, exam.train, items, seed=order.seed)
    assert isinstance(model, Hybrid)  # noqa: S101 (the recipe says so)
    voices = _Voices.of(model, exam, member.half_life)
    tried = {
        weights: voices.marks(weights)[order.evaluation.metric.value]
        for weights in product(_CONTENT if items else (0.0,), _POPULARITY)
    }
    content, popularity = max(tried, key=lambda weights: tried[weights])
    progress.say(1.0, f"Content weighs {content}, popularity {popularity}.")
    kept = max(content, _LEAST_CONTENT) if items else 0.0
    weights = {"collaborative": 1.0, "content": kept, "popularity": popularity}
    return catalogue.recipe(catalogue.HYBRID, {**told, **weights})


def _describes(items: Items, exam: Exam, seed: int) -> bool:
    try:
        fit(catalogue.recipe(catalogue.CONTENT, {}), exam.train, items, seed=seed)
    except NothingLearnt:
        return False
    return True


class _Voices:
    """The members' scores of the judged users, each brought to the same height once."""

    def __init__(self, exam: Exam, rows: Codes, scores: Mapping[str, Doubles]) -> None:
        self._exam = exam
        self._rows = rows
        self._scores = scores

    @classmethod
    def of(cls, model: Hybrid, exam: Exam, half_life: float | None) -> "_Voices":
        rows = exam.users[: max(1, _CELLS // exam.test.shape[1])]
        histories = profiles(exam.train, half_life=half_life)[rows]
        heard = {
            voice.name: level(voice.model.scores(histories), histories) for voice in model.members
        }
        return cls(exam, rows, heard)

    def marks(self, weights: tuple[float, float]) -> Mapping[str, float]:
        """Return the figures for these weights of content and popularity."""
        total = self._scores["collaborative"].copy()
        for name, weight in zip(("content", "popularity"), weights, strict=True):
            if weight:
                total += weight * self._scores[name]
        return self._exam.marks_of(total, self._rows)
