"""The weights of a hybrid, found on a held-out part, one voice after the other."""

from collections.abc import Mapping, Sequence

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
_TRIED: Mapping[str, Sequence[float]] = {
    "session": (0.0, 0.1, 0.2, 0.4, 0.8),
    "content": (0.0, 0.05, 0.1, 0.2, 0.4, 0.8),
    "popularity": (0.0, 0.02, 0.05, 0.1, 0.2),
}
#: Content keeps this much of a voice even where it does not pay: it alone knows items of today.
_LEAST_CONTENT = 0.02
#: Cells of the members' scores kept in memory while weights are tried.
_CELLS = 20_000_000


def fused(
    member: Recipe, exam: Exam, items: Items | None, order: LearningOrder, progress: Progress
) -> Recipe:
    """Return the hybrid of this member whose weights rank the exam's held-out part best."""
    told = {"member": member.learner, "member_parameters": dict(member.parameters)}
    all_voices = catalogue.recipe(catalogue.HYBRID, {**told, **dict.fromkeys(_TRIED, 1.0)})
    described = items if items is not None and _describes(items, exam, order.seed) else None
    model = fit(all_voices, exam.train, described, seed=order.seed)
    assert isinstance(model, Hybrid)  # noqa: S101 (the recipe says so)
    voices = _Voices.of(model, exam, member.half_life)
    weights = voices.weighed(order.evaluation.metric.value)
    if described is not None:
        weights["content"] = max(weights["content"], _LEAST_CONTENT)
    progress.say(1.0, f"Voices beside {member.learner}: {weights}.")
    return catalogue.recipe(catalogue.HYBRID, {**told, "collaborative": 1.0, **weights})


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

    def weighed(self, metric: str) -> dict[str, float]:
        """Return a weight per voice: each in turn the best one beside those before it."""
        total = self._scores["collaborative"]
        weights = dict.fromkeys(_TRIED, 0.0)
        for name in weights:
            if name in self._scores:
                weights[name] = self._best(total, name, metric)
                total = total + weights[name] * self._scores[name]
        return weights

    def _best(self, total: Doubles, name: str, metric: str) -> float:
        found = {
            weight: self._exam.marks_of(total + weight * self._scores[name], self._rows)[metric]
            for weight in _TRIED[name]
        }
        return max(found, key=lambda weight: found[weight])
