"""Questions to a model with the answers that training computes, so that inference can prove itself.

Both sides compute by their own code: what agrees to the fifth digit was stored, read, folded and
ranked alike.
"""

from collections.abc import Sequence

import numpy as np

from contracts.artefact import ProofRow
from training.learners.arrays import Codes, Csr, top
from training.learners.fitted import Fitted
from training.learners.matrix import Matrix
from training.learners.profiles import newest_first, profiles

_ROWS = 6
_K = 10
#: A longer history proves nothing more and makes manifests large.
_LONGEST = 120


def proof_rows(
    model: Fitted, matrix: Matrix, *, half_life: float | None, seed: int
) -> tuple[ProofRow, ...]:
    """Return rows for some users with a liked item: one by history and one by user id each."""
    histories = profiles(matrix, half_life=half_life)
    users = _users(matrix, seed)
    order = newest_first(matrix)
    rows = []
    for user, scores in zip(users, model.scores(histories[users]), strict=True):
        begin, end = matrix.seen.indptr[user], matrix.seen.indptr[user + 1]
        scores[matrix.seen.indices[begin:end]] = -np.inf
        best = top(scores, _K)
        answer = {
            "items": [matrix.item_ids[item] for item in best],
            "scores": [float(score) for score in scores[best]],
        }
        history = {"history": _told(matrix, order[begin:end]), "k": _K}
        rows.append(ProofRow(question=history, answer=answer))
        by_name = {"user_id": matrix.user_ids[user], "k": _K}
        rows.append(ProofRow(question=by_name, answer=answer))
    return tuple(rows)


def _users(matrix: Matrix, seed: int) -> Codes:
    lengths = np.diff(matrix.liked.indptr)
    longest = np.diff(matrix.seen.indptr)
    fitting = np.flatnonzero((lengths > 0) & (longest <= _LONGEST))
    if not fitting.size:
        fitting = np.flatnonzero(lengths > 0)[:1]
    draw = np.random.default_rng(seed)
    chosen = draw.choice(fitting, size=min(_ROWS, fitting.size), replace=False)
    return np.asarray(np.sort(chosen), dtype=np.int64)


def _told(matrix: Matrix, entries: Codes) -> Sequence[tuple[str, float, float]]:
    """Return (item id, weight, age in seconds) of these entries of `seen`."""
    seen: Csr = matrix.seen
    ages = ages_of(matrix)[entries]
    return [
        (matrix.item_ids[item], float(weight), float(age))
        for item, weight, age in zip(seen.indices[entries], seen.data[entries], ages, strict=True)
    ]


def ages_of(matrix: Matrix) -> Codes:
    """Return each interaction's whole seconds before the newest one; all 0 without times."""
    if matrix.times is None or matrix.newest is None:
        return np.zeros(matrix.seen.nnz, dtype=np.int64)
    return (matrix.newest - matrix.times) // 1_000_000
