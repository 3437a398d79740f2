"""Before a model serves anybody it answers training's own questions the way training did."""

from collections.abc import Sequence

from contracts.artefact import PROOF_TOLERANCE, ProofRow
from inference.scorers.loading import ArtefactRefused
from inference.scorers.scorer import Past, Scorer


class ProofFailed(ArtefactRefused):
    """The model answers otherwise than training said it would; it must not be served."""


def prove(scorer: Scorer) -> None:
    """Run every proof row; ProofFailed at the first answer that differs, or where there is none.

    Scores are equal within `PROOF_TOLERANCE` of the row's largest score (at least 1). Items whose
    scores are that close may change places.
    """
    rows = scorer.manifest.proof
    if not rows:
        raise ProofFailed("the artefact has no proof rows")
    for number, row in enumerate(rows):
        try:
            differs = _difference(scorer, row)
        except (KeyError, TypeError, ValueError) as wrong:
            raise ProofFailed(f"proof row {number} cannot be asked: {wrong!r}") from wrong
        if differs:
            raise ProofFailed(f"proof row {number}: {differs}")


def _difference(scorer: Scorer, row: ProofRow) -> str:
    history = _history(scorer, row)
    items: list[str] = row.answer["items"]
    expected: list[float] = row.answer["scores"]
    ranking = scorer.recommend(history, k=int(row.question["k"]))
    if len(ranking) != len(items):
        return f"{len(ranking)} items instead of {len(items)}"
    near = PROOF_TOLERANCE * max([1.0, *map(abs, expected)])
    for mine, theirs in zip(ranking.scores, expected, strict=True):
        if not abs(mine - theirs) <= near:
            return f"score {mine} instead of {theirs}"
    told = dict(zip(items, expected, strict=True))
    for item, score in zip(ranking.items, ranking.scores, strict=True):
        # An item that training ranked just below its last one may have come up by rounding.
        if not abs(told.get(item, expected[-1]) - score) <= 2 * near:
            return f"item {item} was not expected here"
    return ""


def _history(scorer: Scorer, row: ProofRow) -> Sequence[Past]:
    if "user_id" in row.question:
        return scorer.trained_history(row.question["user_id"])
    return [
        Past(str(item), float(weight), float(age)) for item, weight, age in row.question["history"]
    ]
