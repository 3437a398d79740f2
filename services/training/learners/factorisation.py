"""Models of item factors, into which any history can be folded: iALS, truncated SVD and NMF.

Literature: Hu, Koren & Volinsky 2008 (implicit ALS); Rendle et al. 2021, "Revisiting the
performance of iALS" (the loss and frequency scaling used here); Halko et al. 2011 (randomised SVD);
Lee & Seung 1999 and Cichocki & Phan 2009 (NMF by coordinate descent).
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.decomposition import NMF, TruncatedSVD
from sklearn.exceptions import ConvergenceWarning

from training.learners.arrays import Csr, Floats
from training.learners.factors import ImplicitFactors, LinearFactors, NonNegativeFactors
from training.learners.irspack_parts import IALSRecommender, compute_reg_scale
from training.learners.matrix import Matrix
from training.learners.orders import NothingLearnt

_NOT_IRSPACKS = {"history_half_life", "n_threads", "random_seed"}


def ials(matrix: Matrix, parameters: Mapping[str, Any], seed: int) -> ImplicitFactors:
    """Learn iALS; weights are confidences, and users are folded in, never kept."""
    liked = _liked(matrix)
    told = {name: value for name, value in parameters.items() if name not in _NOT_IRSPACKS}
    model = IALSRecommender(liked, n_threads=1, random_seed=_seed(parameters, seed), **told)
    model.start_learning()
    for _ in range(parameters["train_epochs"]):
        model.run_epoch()
    factors = np.ascontiguousarray(model.get_item_embedding(), dtype=np.float32)
    return ImplicitFactors(
        factors=factors,
        alpha0=parameters["alpha0"],
        reg=max(parameters["reg"] * _scale(liked, parameters), _least_reg(factors, parameters)),
        nu=parameters["nu"],
        n_items=liked.shape[1],
        epsilon=parameters["epsilon"] if parameters["confidence_scaling"] == "log" else None,
        original=parameters["loss_type"] == "ORIGINAL",
    )


def truncated_svd(matrix: Matrix, parameters: Mapping[str, Any], seed: int) -> LinearFactors:
    """Learn the leading right singular vectors; a history is projected onto them and back."""
    liked = _liked(matrix)
    decomposition = TruncatedSVD(
        n_components=_rank(liked, parameters),
        random_state=_seed(parameters, seed),
    )
    decomposition.fit(liked)
    return LinearFactors(factors=_columns(decomposition.components_))


def nmf(matrix: Matrix, parameters: Mapping[str, Any], seed: int) -> NonNegativeFactors:
    """Learn non-negative factors; a history is folded in by non-negative least squares."""
    liked = _liked(matrix)
    decomposition = NMF(
        n_components=_rank(liked, parameters),
        init=parameters["init"],
        alpha_W=parameters["alpha"],
        l1_ratio=parameters["l1_ratio"],
        random_state=seed,
    )
    with warnings.catch_warnings():
        # Stopping at the iteration limit is a choice of speed; the model is measured anyway.
        warnings.simplefilter("ignore", ConvergenceWarning)
        decomposition.fit(liked)
    penalty = parameters["alpha"] * liked.shape[1]
    return NonNegativeFactors(
        factors=_columns(decomposition.components_),
        l1=penalty * parameters["l1_ratio"],
        l2=penalty * (1.0 - parameters["l1_ratio"]),
    )


def _liked(matrix: Matrix) -> Csr:
    if matrix.warm < 2 or matrix.liked.shape[0] < 2:
        raise NothingLearnt("a factorisation needs at least two users and two items")
    return matrix.liked[:, : matrix.warm].astype(np.float64)


def _columns(components: Any) -> Any:
    return np.ascontiguousarray(components.T, dtype=np.float32)


def _seed(parameters: Mapping[str, Any], seed: int) -> int:
    given = parameters["random_seed"]
    return seed if given is None else int(given)


def _scale(liked: Csr, parameters: Mapping[str, Any]) -> float:
    star = parameters["nu_star"]
    if star is None:
        return 1.0
    alpha0 = parameters["alpha0"]
    reference = compute_reg_scale(liked, alpha0, star)
    return float(reference / compute_reg_scale(liked, alpha0, parameters["nu"]))


def _least_reg(factors: Floats, parameters: Mapping[str, Any]) -> float:
    """Return the weakest regularisation with which a history's fold-in has one solution.

    The ridge is then a millionth of the mean diagonal of the normal matrix. Without any, the
    equations of a history of fewer items than components are singular, and rounding decides.
    """
    alpha0, (n_items, components) = parameters["alpha0"], factors.shape
    squares = float(np.square(factors, dtype=np.float64).sum())
    ridge = 1e-6 * (alpha0 + 1.0 / n_items) * squares / components
    return float(ridge / (alpha0 * n_items + 1.0) ** parameters["nu"])


def _rank(liked: Csr, parameters: Mapping[str, Any]) -> int:
    """Return how many components to learn: at most half of what the table could have.

    At full rank a factorisation only repeats what it saw, and ranks everything else by rounding
    errors.
    """
    possible: int = min(liked.shape)
    wanted: int = parameters["n_components"]
    return max(1, min(wanted, possible // 2))
