"""How histories are folded into item factors; each class states the problem that it solves."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from training.learners.arrays import Array, Csr, Doubles, Floats
from training.learners.similarity import widened

#: Sweeps of coordinate descent after which a non-negative fold-in has converged for all practical
#: ends.
_SWEEPS = 2000


@dataclass(frozen=True)
class ImplicitFactors:
    """iALS: x = (a0 VᵀV + Σ c_j v_j v_jᵀ + λI)⁻¹ Σ b_j v_j over the history, score v_i·x.

    c_j is the strength (or log(1 + strength/epsilon)), b_j = c_j (plus a0 in the original loss) and
    λ = reg (a0 n_items + m)^nu for a history of m items. `factors` is V, float32 (warm, d).
    """

    factors: Floats
    alpha0: float
    reg: float
    nu: float
    n_items: int
    epsilon: float | None
    original: bool
    kind = "implicit-factors"

    @property
    def arrays(self) -> Mapping[str, Array]:
        return {"factors": self.factors}

    @property
    def details(self) -> Mapping[str, Any]:
        names = ("alpha0", "reg", "nu", "n_items", "epsilon", "original")
        return {name: getattr(self, name) for name in names}

    def scores(self, profiles: Csr) -> Doubles:
        users = np.zeros((profiles.shape[0], self.factors.shape[1]))
        warm = profiles[:, : self.factors.shape[0]]
        for row in range(profiles.shape[0]):
            begin, end = warm.indptr[row], warm.indptr[row + 1]
            if end > begin:
                users[row] = self._folded(warm.indices[begin:end], warm.data[begin:end])
        return widened(users @ self._doubles.T, profiles.shape[1])

    @cached_property
    def _doubles(self) -> Doubles:
        return self.factors.astype(np.float64)

    @cached_property
    def _unseen(self) -> Doubles:
        return self.alpha0 * (self._doubles.T @ self._doubles)

    def _folded(self, items: Array, strengths: Doubles) -> Doubles:
        liked = self._doubles[items]
        confidence = strengths if self.epsilon is None else np.log1p(strengths / self.epsilon)
        ridge = self.reg * (self.alpha0 * self.n_items + len(items)) ** self.nu
        normal = self._unseen + (liked.T * confidence) @ liked
        normal[np.diag_indices_from(normal)] += ridge
        pull = confidence + self.alpha0 if self.original else confidence
        return np.asarray(np.linalg.solve(normal, liked.T @ pull), dtype=np.float64)


@dataclass(frozen=True)
class LinearFactors:
    """Projection: score = h V Vᵀ with orthonormal `factors` V, float32 (warm, d)."""

    factors: Floats
    kind = "linear-factors"

    @property
    def arrays(self) -> Mapping[str, Array]:
        return {"factors": self.factors}

    @property
    def details(self) -> Mapping[str, Any]:
        return {}

    def scores(self, profiles: Csr) -> Doubles:
        doubles = self.factors.astype(np.float64)
        users = profiles[:, : doubles.shape[0]] @ doubles
        return widened(users @ doubles.T, profiles.shape[1])


@dataclass(frozen=True)
class NonNegativeFactors:
    """NMF: x = argmin over x ≥ 0 of ½|h - Vx|² + l1 Σx + ½ l2 |x|², score v_i·x.

    `factors` is V, float32 (warm, d); a ridge of a millionth of the mean diagonal of VᵀV makes x
    unique.
    """

    factors: Floats
    l1: float
    l2: float
    kind = "non-negative-factors"

    @property
    def arrays(self) -> Mapping[str, Array]:
        return {"factors": self.factors}

    @property
    def details(self) -> Mapping[str, Any]:
        return {"l1": self.l1, "l2": self.l2}

    def scores(self, profiles: Csr) -> Doubles:
        doubles = self.factors.astype(np.float64)
        normal = doubles.T @ doubles
        normal[np.diag_indices_from(normal)] += self.l2 + 1e-6 * np.trace(normal) / len(normal)
        pull = profiles[:, : doubles.shape[0]] @ doubles - self.l1
        return widened(_least_squares(normal, pull) @ doubles.T, profiles.shape[1])


def _least_squares(normal: Doubles, pull: Doubles) -> Doubles:
    """Return x ≥ 0 (rows, d) minimising ½xᵀNx - pᵀx per row, by coordinate descent over all
    rows."""
    x = np.zeros_like(pull)
    for _ in range(_SWEEPS):
        moved = 0.0
        for k in range(len(normal)):
            step = (pull[:, k] - x @ normal[:, k]) / normal[k, k]
            new = np.maximum(x[:, k] + step, 0.0)
            moved = max(moved, float(np.abs(new - x[:, k]).max(initial=0.0)))
            x[:, k] = new
        if moved <= 1e-10 * max(1.0, float(np.abs(x).max(initial=0.0))):
            break
    return x
