"""Every learner by its name, what it may be told, and how much memory it takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.domain import search_space
from training.learners import factorisation, linear, neighbours
from training.learners.content import content_based
from training.learners.fitted import Fitted
from training.learners.hybrid import Hybrid, Member
from training.learners.irspack_parts import ITEM_NEIGHBOURS
from training.learners.items import Items
from training.learners.matrix import Matrix
from training.learners.orders import NothingLearnt, OrderRefused
from training.learners.popularity import Popularity, decayed, popular
from training.learners.session import session

Fit = Callable[[Matrix, Mapping[str, Any], int], Fitted]

#: Chosen by tuning among other learners; it never is a recipe itself.
COLLABORATIVE = "collaborative"
CONTENT = "content-based"
HYBRID = "hybrid"
SESSION = "session"

#: The half-life of popularity inside a hybrid: what is liked now counts more than what was.
POPULARITY_DAYS = 90.0

_FITS: Mapping[str, Fit] = {
    "TopPopRecommender": popular,
    "popularity": popular,
    "IALSRecommender": factorisation.ials,
    "TruncatedSVDRecommender": factorisation.truncated_svd,
    "NMFRecommender": factorisation.nmf,
    "CosineUserKNNRecommender": neighbours.user_neighbours(asymmetric=False),
    "AsymmetricCosineUserKNNRecommender": neighbours.user_neighbours(asymmetric=True),
    "DenseSLIMRecommender": linear.dense_slim,
    "EDLAERecommender": linear.edlae,
    "SLIMRecommender": linear.slim,
    SESSION: session,
    **{name: neighbours.item_neighbours(name) for name in ITEM_NEIGHBOURS},
}

#: The class names that a model configuration may carry.
CLASS_NAMES = tuple(sorted(name for name in _FITS if name.endswith("Recommender")))

_NAMES = {*_FITS, COLLABORATIVE, CONTENT, HYBRID}


@dataclass(frozen=True)
class Recipe:
    """A learner with all of its parameters: what a model is made by, and made by again."""

    learner: str
    parameters: Mapping[str, Any]

    @property
    def half_life(self) -> float | None:
        """Return how many newer items halve the strength of a past one."""
        told = self.parameters
        if self.learner == HYBRID:
            told = told["member_parameters"]
        return told.get("history_half_life")

    def __str__(self) -> str:
        return f"{self.learner} / {dict(self.parameters)}"


def learner_named(name: str) -> str:
    """Return the full name of a learner; short forms and the old `…Optimizer` are understood.

    OrderRefused for a name nobody bears.
    """
    for candidate in (name, f"{name.removesuffix('Optimizer')}Recommender"):
        if candidate in _NAMES:
            return candidate
    raise OrderRefused(f"{name!r} is not a known recommender")


def recipe(name: str, parameters: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a learner: parameters given are checked, the rest are good defaults.

    OrderRefused for an unknown learner, an unknown parameter or a value out of bounds.
    """
    learner = learner_named(name)
    if learner == COLLABORATIVE:
        raise OrderRefused("collaborative is chosen by tuning; it has no recipe of its own")
    if learner == HYBRID:
        return Recipe(HYBRID, _hybrid_parameters(parameters))
    return Recipe(learner, _complete(learner, parameters))


def check(name: str, parameters: Mapping[str, Any]) -> None:
    """Refuse a learner or parameters that could not be trained with, before a job is made of
    them."""
    if learner_named(name) == COLLABORATIVE:
        if parameters:
            raise OrderRefused("collaborative takes no parameters; it searches for them")
        return
    recipe(name, parameters)


def fit(made: Recipe, matrix: Matrix, items: Items | None, *, seed: int) -> Fitted:
    """Learn a recipe; OrderRefused or NothingLearnt where the data does not carry it.

    What comes back holds finite numbers alone: inference would serve nothing else.
    """
    if not matrix.warm:
        raise NothingLearnt("nobody liked anything: no interaction has a weight above 0")
    try:
        # Divisions by 0 are left to the check below: libraries also divide for figures of no use.
        with np.errstate(all="ignore"):
            fitted = _learnt(made, matrix, items, seed=seed)
    # irspack raises RuntimeError, numpy LinAlgError, where a system of equations is singular.
    except (ArithmeticError, RuntimeError, np.linalg.LinAlgError) as failed:
        raise OrderRefused(f"{made} cannot be computed from this data: {failed}") from failed
    for array in fitted.arrays.values():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise OrderRefused(f"{made} yields numbers that are not finite from this data")
    return fitted


def _learnt(made: Recipe, matrix: Matrix, items: Items | None, *, seed: int) -> Fitted:
    if made.learner == CONTENT:
        return content_based(matrix, made.parameters, items)
    if made.learner == HYBRID:
        return _hybrid(made, matrix, items, seed=seed)
    return _FITS[made.learner](matrix, made.parameters, seed)


def memory_needed(learner: str, matrix: Matrix) -> int:
    """Return about how many bytes learning takes at its peak, beyond the interactions
    themselves."""
    warm, cells, users = matrix.warm, int(matrix.seen.nnz), len(matrix.user_ids)
    if learner in {"DenseSLIMRecommender", "EDLAERecommender"}:
        return linear.dense_bytes(warm)
    if "UserKNN" in learner:
        return 64 * cells + 512 * users * 16
    if learner in {"IALSRecommender", "TruncatedSVDRecommender", "NMFRecommender"}:
        return 16 * cells + (users + warm) * 256 * 8
    return 24 * cells + warm * 512 * 16


def work_needed(learner: str, matrix: Matrix) -> float:
    """Return about how many floating-point operations a fit with usual parameters takes."""
    warm, cells, users = matrix.warm, int(matrix.seen.nnz), max(1, len(matrix.user_ids))
    if learner in {"DenseSLIMRecommender", "EDLAERecommender"}:
        return float(warm) ** 3
    if learner in {"IALSRecommender", "TruncatedSVDRecommender", "NMFRecommender"}:
        return 12_000.0 * cells
    return 100.0 * cells * (1 + cells / users)


def _complete(learner: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return search_space.complete(learner, parameters)
    except ValueError as wrong:
        raise OrderRefused(str(wrong)) from wrong


def _hybrid_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    weights = {
        name: value
        for name, value in parameters.items()
        if name not in {"member", "member_parameters"}
    }
    complete = _complete(HYBRID, weights)
    if not any(complete.values()):
        raise OrderRefused("hybrid: at least one weight must be above 0")
    member = recipe(
        parameters.get("member", "DenseSLIMRecommender"), parameters.get("member_parameters", {})
    )
    if member.learner in {HYBRID, CONTENT}:
        raise OrderRefused("hybrid: member must learn from interactions")
    return complete | {"member": member.learner, "member_parameters": dict(member.parameters)}


def _hybrid(made: Recipe, matrix: Matrix, items: Items | None, *, seed: int) -> Hybrid:
    told = made.parameters
    voices = []
    if told["collaborative"] > 0:
        member = Recipe(told["member"], told["member_parameters"])
        model = fit(member, matrix, items, seed=seed)
        voices.append(Member("collaborative", told["collaborative"], model))
    if told["session"] > 0 and matrix.times is not None:
        steps = fit(recipe(SESSION, {}), matrix, items, seed=seed)
        voices.append(Member("session", told["session"], steps))
    if told["content"] > 0 and items is not None:
        content = fit(recipe(CONTENT, {}), matrix, items, seed=seed)
        voices.append(Member("content", told["content"], content))
    if told["popularity"] > 0:
        counts = decayed(matrix, half_life_days=POPULARITY_DAYS)
        voices.append(Member("popularity", told["popularity"], Popularity(counts)))
    if not voices:
        raise OrderRefused("hybrid: what has weight needs item metadata or times, absent here")
    return Hybrid(members=tuple(voices))
