"""Simulated A/B tests: users who come back, judged at each look by the service's own code."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.domain.samples import Sample
from experiments.measures import always_valid, sample_ratio
from experiments.measures.user_rates import UserRate

Counts = NDArray[np.int64]

#: Visits of a user: geometric, from 1 to 50.
VISITS = np.arange(1, 51)
GOES_ON = 0.95
CHANCES = GOES_ON**VISITS / (GOES_ON**VISITS).sum()
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Shop:
    """What a test is run on. Half of its users are dealt to each arm."""

    users: int
    control_rate: float
    variant_rate: float
    tau: float
    looks: int = 100
    #: Users differ: their own rates are drawn from a Beta distribution with this sum of parameters,
    #: so that two visits of one user have the correlation 1 / (1 + sum).
    alike: float = 4.0
    #: Whether a user's visits are spread over the rest of the test, or come at once.
    spread: bool = True


@dataclass(frozen=True)
class Look:
    """Both arms at one moment."""

    control: Sample
    variant: Sample

    @property
    def mismatch(self) -> bool:
        """Tell whether the check of the split raises an alarm."""
        users = self.control.users, self.variant.users
        return sample_ratio.check(*users, control_share=0.5).mismatch

    def decides(self, tau: float) -> bool:
        """Tell whether the sequential test sees a difference."""
        arms = UserRate.of(self.control), UserRate.of(self.variant)
        return always_valid.judge(*arms, confidence=CONFIDENCE, tau=tau).significant

    def differs(self) -> bool:
        """Tell whether a z-test by user sees a difference, as if this were the only look."""
        before, after = UserRate.of(self.control), UserRate.of(self.variant)
        noise = (before.variance or 0.0) + (after.variance or 0.0)
        return noise > 0 and _two_sided(after.rate - before.rate, noise) < 1 - CONFIDENCE

    def by_impression(self) -> "Look":
        """Return the same counts as if each impression were a user of its own."""
        return Look(_every_impression_a_user(self.control), _every_impression_a_user(self.variant))

    def chi_square(self) -> bool:
        """Tell whether a chi-square test of the users, at this look alone, raises an alarm."""
        control, variant = self.control.users, self.variant.users
        total = control + variant
        noise = total / 4
        return total > 0 and _two_sided(control - total / 2, noise) < sample_ratio.THRESHOLD


def looks(shop: Shop, chance: np.random.Generator) -> Iterator[Look]:
    """Play one test and yield what it looks like, from the first look to the last."""
    in_variant = chance.random(shop.users) < 0.5
    shown, converted = _played(shop, in_variant, chance)
    arms = [_sums(shown[chosen], converted[chosen]) for chosen in (~in_variant, in_variant)]
    for control, variant in zip(*arms, strict=True):
        yield Look(control, variant)


def _played(
    shop: Shop, in_variant: NDArray[np.bool_], chance: np.random.Generator
) -> tuple[Counts, Counts]:
    """Return what each user was shown and has converted up to each look."""
    visits = chance.choice(VISITS, size=shop.users, p=CHANCES)
    mean = np.where(in_variant, shop.variant_rate, shop.control_rate)
    rates = chance.beta(mean * shop.alike, (1 - mean) * shop.alike)
    came = np.sort(chance.integers(0, shop.looks, shop.users))
    user = np.repeat(np.arange(shop.users), visits)
    look = came[user]
    if shop.spread:
        look += (chance.random(len(user)) * (shop.looks - look)).astype(np.int64)
        look[np.cumsum(visits) - 1] = came  # one of the visits is the first
    cell = user * shop.looks + look
    clicked = chance.random(len(user)) < rates[user]
    size, shape = shop.users * shop.looks, (shop.users, shop.looks)
    shown = np.bincount(cell, minlength=size).reshape(shape).cumsum(axis=1)
    converted = np.bincount(cell[clicked], minlength=size).reshape(shape).cumsum(axis=1)
    return shown, converted


def _sums(x: Counts, y: Counts) -> list[Sample]:
    """Return an arm's sample at each look."""
    sums = [(x > 0).sum(axis=0), x.sum(axis=0), y.sum(axis=0)]
    sums += [(x * x).sum(axis=0), (y * y).sum(axis=0), (x * y).sum(axis=0)]
    return [Sample(*(int(each) for each in look)) for look in zip(*sums, strict=True)]


def _every_impression_a_user(arm: Sample) -> Sample:
    shown, converted = arm.impressions, arm.conversions
    return Sample(shown, shown, converted, shown, converted, converted)


def _two_sided(difference: float, noise: float) -> float:
    return math.erfc(abs(difference) / math.sqrt(2 * noise))
