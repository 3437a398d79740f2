"""Models of item factors: a history is folded in at request time, so the newest click counts at
once.

Hu, Koren & Volinsky 2008 and Rendle et al. 2021 (implicit ALS); projection on singular vectors; Lee
& Seung 1999 (NMF). Shares of the first two are exact; of NMF all but the constant that its l1
penalty takes off. Items whose factors point the same way (cosine) are near.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from inference.scorers.arrays import Doubles, Floats, Mask, Positions, Scores
from inference.scorers.precision import product
from inference.scorers.profile import Profile
from inference.scorers.similarity import widened


@dataclass(frozen=True)
class Factors:
    """What the three have in common: `factors` V, float32 (warm, d), for n items in all."""

    factors: Floats
    n_items: int
    details: Mapping[str, Any] = field(default_factory=dict)
    personal = True

    @property
    def nbytes(self) -> int:
        return self.factors.nbytes * 2 + self._lengths.nbytes

    def nearness(self, position: int) -> Scores:
        warm = self.factors.shape[0]
        if position >= warm or not self._lengths[position]:
            return np.zeros(self.n_items)
        cosine = self.factors @ self.factors[position]
        cosine /= np.maximum(self._lengths * self._lengths[position], 1e-30)
        return widened(cosine, self.n_items)

    @cached_property
    def _lengths(self) -> Floats:
        return np.asarray(np.linalg.norm(self.factors, axis=1), dtype=np.float32)

    @cached_property
    def _longest(self) -> float:
        return float(self._lengths.max(initial=0.0))

    @cached_property
    def _gram(self) -> Doubles:
        doubles = self.factors.astype(np.float64)
        return doubles.T @ doubles

    def _ranked(self, user: Doubles, past: Profile) -> Scores:
        terms = float(np.linalg.norm(user)) * self._longest
        scores = product(user, self.factors.T, terms=terms, seen=past.seen)
        return widened(scores, self.n_items)

    def _spread(self, parts: Doubles, past: Profile, profile: Profile) -> Doubles:
        """Return parts (warm history, k) as shares of the whole history, unknown items having
        none."""
        if past is profile:
            return parts
        shares = np.zeros((profile.positions.size, parts.shape[1]))
        shares[profile.positions < self.factors.shape[0]] = parts
        return shares

    def _at(self, positions: Positions) -> Doubles:
        """Return the factors (k, d) of these items in double precision, zero where unknown."""
        at = np.zeros((positions.size, self.factors.shape[1]))
        warm = positions < self.factors.shape[0]
        at[warm] = self.factors[positions[warm]]
        return at


class ImplicitFactors(Factors):
    """x = (a0 VᵀV + Σ c_j v_j v_jᵀ + λI)⁻¹ Σ b_j v_j; item j's share of item i is b_j
    v_iᵀ(…)⁻¹v_j."""

    def scores(self, profile: Profile) -> Scores:
        past = profile.within(self.factors.shape[0])
        if not past.positions.size:
            return np.zeros(self.n_items)
        liked, normal, pull = self._problem(past)
        user: Doubles = np.asarray(np.linalg.solve(normal, liked.T @ pull), dtype=np.float64)
        return self._ranked(user, past)

    def shares(self, profile: Profile, positions: Positions) -> Doubles:
        past = profile.within(self.factors.shape[0])
        liked, normal, pull = self._problem(past)
        parts = (liked @ np.linalg.solve(normal, self._at(positions).T)) * pull[:, None]
        return self._spread(parts, past, profile)

    def _problem(self, past: Profile) -> tuple[Doubles, Doubles, Doubles]:
        """Return the history's factors (m, d), the normal matrix (d, d) and the pulls b (m,)."""
        told = self.details
        liked = self.factors[past.positions].astype(np.float64)
        confidence = past.strengths
        if told["epsilon"] is not None:
            confidence = np.log1p(confidence / told["epsilon"])
        normal = told["alpha0"] * self._gram + (liked.T * confidence) @ liked
        ridge = told["reg"] * (told["alpha0"] * told["n_items"] + len(liked)) ** told["nu"]
        normal[np.diag_indices_from(normal)] += ridge
        pull = confidence + told["alpha0"] if told["original"] else confidence
        return liked, normal, pull


class LinearFactors(Factors):
    """Score = h V Vᵀ; item j's share of item i is h_j v_j·v_i."""

    def scores(self, profile: Profile) -> Scores:
        past = profile.within(self.factors.shape[0])
        user: Doubles = past.strengths @ self.factors[past.positions].astype(np.float64)
        return self._ranked(user, past)

    def shares(self, profile: Profile, positions: Positions) -> Doubles:
        past = profile.within(self.factors.shape[0])
        liked = self.factors[past.positions] * past.strengths[:, None]
        return self._spread(liked @ self._at(positions).T, past, profile)


class NonNegativeFactors(Factors):
    """x ≥ 0 minimising ½|h - Vx|² + l1 Σx + ½ l2 |x|²; on its support x is linear in the
    history."""

    def scores(self, profile: Profile) -> Scores:
        past = profile.within(self.factors.shape[0])
        user = non_negative(self._normal, self._pull(past) - self.details["l1"])
        return self._ranked(user, past)

    def shares(self, profile: Profile, positions: Positions) -> Doubles:
        past = profile.within(self.factors.shape[0])
        x = non_negative(self._normal, self._pull(past) - self.details["l1"])
        support = np.flatnonzero(x > 0)
        normal = self._normal[np.ix_(support, support)]
        toward = np.linalg.solve(normal, self._at(positions)[:, support].T)
        liked = self.factors[past.positions][:, support] * past.strengths[:, None]
        return self._spread(liked @ toward, past, profile)

    @cached_property
    def _normal(self) -> Doubles:
        normal = self._gram.copy()
        ridge = self.details["l2"] + 1e-6 * np.trace(normal) / len(normal)
        normal[np.diag_indices_from(normal)] += ridge
        return normal

    def _pull(self, past: Profile) -> Doubles:
        return past.strengths @ self.factors[past.positions].astype(np.float64)


def non_negative(normal: Doubles, pull: Doubles) -> Doubles:
    """Return x ≥ 0 (d,) minimising ½xᵀNx - pᵀx for a positive definite N: Lawson & Hanson 1974."""
    x = np.zeros_like(pull)
    support = np.zeros(pull.size, dtype=bool)
    enough = 1e-10 * max(1.0, float(np.abs(pull).max(initial=0.0)))
    for _ in range(10 * pull.size):
        slope = pull - normal @ x
        slope[support] = -np.inf
        best = int(np.argmax(slope))
        if slope[best] <= enough:
            break
        support[best] = True
        _settle(normal, pull, x, support)
    return x


def _settle(normal: Doubles, pull: Doubles, x: Doubles, support: Mask) -> None:
    """Move x to the optimum of its support, dropping from the support what would turn negative."""
    while True:
        free = np.flatnonzero(support)
        wanted = np.linalg.solve(normal[np.ix_(free, free)], pull[free])
        falling = wanted <= 0
        if not falling.any():
            x[:] = 0.0
            x[free] = wanted
            return
        at = x[free]
        gap = at[falling] / np.maximum(at[falling] - wanted[falling], 1e-300)
        step = float(gap.min())
        at = at + step * (wanted - at)
        at[falling & (at <= 1e-14)] = 0.0
        at[np.flatnonzero(falling)[int(np.argmin(gap))]] = 0.0
        x[free] = at
        support[free[at <= 0]] = False
