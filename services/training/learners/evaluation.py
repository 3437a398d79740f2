"""How well a model guesses what was held out from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.domain import metrics
from training.learners.arrays import Codes, Csr, Doubles, top
from training.learners.fitted import Fitted
from training.learners.matrix import Matrix
from training.learners.orders import OrderRefused, Split
from training.learners.profiles import profiles
from training.learners.splits import held_out

Hits = NDArray[np.bool_]

#: More test users than this are sampled: the figure would not change in its third digit.
JUDGED = 5_000
#: Cells of the score matrix held at a time.
_CELLS = 16_000_000


@dataclass(frozen=True)
class Exam:
    """A training part, what was held out of it, and how deep a ranking is looked at."""

    train: Matrix
    test: Csr
    cutoff: int
    seed: int

    def marks(self, model: Fitted, *, half_life: float | None) -> Mapping[str, float]:
        """Return ndcg, map, recall and hit at the cutoff, seen items left out of the ranking."""
        histories = profiles(self.train, half_life=half_life)
        step = max(1, _CELLS // self.test.shape[1])
        chunks = [self.users[at : at + step] for at in range(0, self.users.size, step)]
        return self._figures([self._hits(model.scores(histories[rows]), rows) for rows in chunks])

    def marks_of(self, scores: Doubles, rows: Codes) -> Mapping[str, float]:
        """Return the same for scores (rows, items) of these users alone."""
        return self._figures([self._hits(scores, rows)], rows)

    def _figures(self, hits: list[Hits], rows: Codes | None = None) -> Mapping[str, float]:
        judged = self.users if rows is None else rows
        relevant = np.diff(self.test.indptr)[judged]
        return metrics.ranking(np.concatenate(hits), relevant)

    @cached_property
    def users(self) -> Codes:
        """Return the rows of the users who are judged, ascending."""
        judged = np.flatnonzero(np.diff(self.test.indptr))
        if judged.size > JUDGED:
            draw = np.random.default_rng(self.seed)
            judged = np.sort(draw.choice(judged, size=JUDGED, replace=False))
        return judged

    def _hits(self, scores: Doubles, rows: Codes) -> Hits:
        # No ranking is longer than there are items, however deep somebody wants to look.
        depth = min(self.cutoff, scores.shape[1])
        hits = np.zeros((rows.size, depth), dtype=bool)
        scores = np.array(scores)
        for place, row in enumerate(rows):
            seen = self.train.seen
            scores[place, seen.indices[seen.indptr[row] : seen.indptr[row + 1]]] = -np.inf
            best = top(scores[place], depth)
            relevant = self.test.indices[self.test.indptr[row] : self.test.indptr[row + 1]]
            hits[place, : best.size] = np.isin(best, relevant)
        return hits


def exam(matrix: Matrix, split: Split, *, cutoff: int) -> Exam:
    """Return the exam that a split makes of a matrix; raises what `held_out` raises."""
    if cutoff < 1:
        raise OrderRefused("cutoff must be at least 1")
    train, test = held_out(matrix, split)
    return Exam(train=train, test=test, cutoff=cutoff, seed=split.seed)
