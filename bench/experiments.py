"""How often A/B tests raise false alarms, and what it costs that they may be looked at.

`python -m bench.experiments` plays tests whose users come back (1 to 50 visits, geometric) and
looks at each a hundred times with the service's own judgement, beside the one that takes
impressions for independent. Power is that of the sequential test beside a z-test by user of a size
fixed beforehand.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench import pace, table
from bench.experiments_rig import Look, Shop, looks
from experiments.domain.ab_tests import Metric
from experiments.measures.always_valid import TAU

TESTS = pace.count(2000)
POWER_TESTS = pace.count(1000)
SEED = 20260115
#: Most tests of two equal arms that may raise an alarm at any of a hundred looks.
RATIO_AIM, DECISION_AIM = 0.002, 0.05
#: Least power, as a share of that of the test of fixed size.
POWER_AIM = 0.9
#: Most users on average, as a share of the fixed size, that may be needed for that power.
USERS_AIM = 1.1

CLICKS = Shop(users=1000, control_rate=0.08, variant_rate=0.08, tau=TAU[Metric.CTR])
SHOPS = {
    "clicks, visits spread": CLICKS,
    "clicks, visits at once": replace(CLICKS, spread=False),
    "clicks, users very different": replace(CLICKS, alike=1.0),
    "clicks, 200 users": replace(CLICKS, users=200),
    "purchases, 4,000 users": replace(
        CLICKS,
        users=4000,
        control_rate=0.008,
        variant_rate=0.008,
        tau=TAU[Metric.PURCHASE_RATE],
    ),
}
#: A difference that a test of fixed size finds with 2,000 users in four of five cases.
FIXED_USERS = 2000
FOUND = Shop(
    users=3 * FIXED_USERS,
    control_rate=0.08,
    variant_rate=0.1022,
    tau=TAU[Metric.CTR],
    looks=300,
    spread=False,
)
FIXED_LOOK = 100
#: The first two are the service's; the others show what it would do without them.
ALARMS = (
    "ratio",
    "decision",
    "ratio of impressions",
    "decision by impression",
    "chi-square of users",
)
TAUS = (0.005, 0.01, 0.02, 0.05)


def alarms(shop: Shop, *, seed: int, tests: int) -> dict[str, float]:
    """Return the share of tests that ever raised each kind of alarm."""
    chance = np.random.default_rng(seed)
    found: dict[str, int] = dict.fromkeys(ALARMS, 0)
    for _test in range(tests):
        seen = list(looks(shop, chance))
        apart = [look.by_impression() for look in seen]
        found["ratio"] += any(look.mismatch for look in seen)
        found["decision"] += any(look.decides(shop.tau) for look in seen)
        found["ratio of impressions"] += any(look.chi_square() for look in apart)
        found["decision by impression"] += any(look.decides(shop.tau) for look in apart)
        found["chi-square of users"] += any(look.chi_square() for look in seen)
    return {name: count / tests for name, count in found.items()}


def false_alarms() -> None:
    """Print how often two equal arms raise an alarm."""
    found = {
        name: alarms(shop, seed=SEED + number, tests=TESTS)
        for number, (name, shop) in enumerate(SHOPS.items())
    }
    print(f"{TESTS} tests of two equal arms, 100 looks each: share that ever raised an alarm.\n")
    table.show(
        ["shop", *ALARMS],
        [[name, *(_percent(each[kind]) for kind in ALARMS)] for name, each in found.items()],
    )
    for kind, most in (("ratio", RATIO_AIM), ("decision", DECISION_AIM)):
        worst = max(each[kind] for each in found.values())
        table.aim(f"false alarms of {kind}, at most {most:.1%}", _percent(worst), met=worst <= most)


def power() -> None:
    """Print how often a real difference is found, and after how many users."""
    chance = np.random.default_rng(SEED)
    played = [list(looks(FOUND, chance)) for _test in range(POWER_TESTS)]
    fixed = sum(seen[FIXED_LOOK - 1].differs() for seen in played) / POWER_TESTS
    print(
        f"A real difference, {FOUND.control_rate:.1%} against {FOUND.variant_rate:.2%}: a z-test by"
        f" user at n = {FIXED_USERS} users finds it in {fixed:.1%} of {POWER_TESTS} tests. The"
        " sequential test, looked at 100 times up to n:\n"
    )
    firsts = {tau: [_first(seen, tau) for seen in played] for tau in TAUS}
    head = [
        "τ",
        "at n",
        "at 1.5 n",
        "at 2 n",
        "at 3 n",
        "at most, for 90 % of the power",
        "on average",
    ]
    table.show(head, [_row(tau, first, fixed) for tau, first in firsts.items()])
    chosen = firsts[FOUND.tau]
    equal = _within(chosen, FIXED_LOOK) / fixed
    table.aim(
        f"τ = {FOUND.tau}: of the fixed-size test's power at equal size, at least {POWER_AIM:.0%}",
        _percent(equal),
        met=equal >= POWER_AIM,
    )
    enough = _enough(chosen, fixed)
    mean = None if enough is None else _mean(chosen, enough)
    table.aim(
        f"τ = {FOUND.tau}: users on average for {POWER_AIM:.0%} of it, at most {USERS_AIM} n",
        _times(mean),
        met=mean is not None and mean <= USERS_AIM * FIXED_LOOK,
    )


def _row(tau: float, firsts: Sequence[int], fixed: float) -> list[str]:
    shares = [_within(firsts, int(times * FIXED_LOOK)) for times in (1, 1.5, 2, 3)]
    enough = _enough(firsts, fixed)
    mean = None if enough is None else _mean(firsts, enough)
    return [f"{tau}", *map(_percent, shares), _times(enough), _times(mean)]


def _enough(firsts: Sequence[int], fixed: float) -> int | None:
    """Return the look by which enough tests have decided, if there is one."""
    ends = range(1, FOUND.looks + 1)
    return next((end for end in ends if _within(firsts, end) >= POWER_AIM * fixed), None)


def _mean(firsts: Sequence[int], end: int) -> float:
    """Return the look at which tests stop on average that decide or are given up at the end."""
    return sum(min(first, end) for first in firsts) / len(firsts)


def _times(look: float | None) -> str:
    return "more" if look is None else f"{look / FIXED_LOOK:.2f} n"


def _first(seen: Sequence[Look], tau: float) -> int:
    """Return the number of the first look that decides; beyond the last where none does."""
    return next((n for n, look in enumerate(seen, 1) if look.decides(tau)), len(seen) + 1)


def _within(firsts: Sequence[int], end: int) -> float:
    return sum(first <= end for first in firsts) / len(firsts)


def _percent(share: float) -> str:
    return f"{share:.2%}"


def main() -> None:
    """Print both tables."""
    false_alarms()
    power()


if __name__ == "__main__":
    main()
