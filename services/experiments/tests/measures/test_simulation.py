"""Tests whose users come back, looked at a hundred times: few false alarms, and much is found.

`bench/experiments.py` plays thousands.
"""

from dataclasses import replace

import numpy as np
import pytest

from bench.experiments import CLICKS, SHOPS, alarms
from bench.experiments_rig import Shop, looks

TESTS = 120


@pytest.mark.parametrize("name", ["clicks, visits spread", "clicks, visits at once"])
def test_equal_arms_raise_few_false_alarms_however_often_somebody_looks(name: str) -> None:
    found = alarms(replace(SHOPS[name], users=600), seed=11, tests=TESTS)
    assert found["ratio"] == 0
    assert found["decision"] <= 0.05
    # Whoever takes impressions for independent is wrong most of the time.
    assert found["ratio of impressions"] > 0.5
    assert found["decision by impression"] > 0.2


def test_a_real_difference_is_found() -> None:
    shop = replace(CLICKS, users=6000, variant_rate=0.11)
    chance = np.random.default_rng(11)
    ends = [list(looks(shop, chance))[-1] for _test in range(20)]
    assert sum(end.decides(shop.tau) for end in ends) >= 18


def test_users_who_are_lost_in_one_arm_are_missed() -> None:
    shop = Shop(users=4000, control_rate=0.08, variant_rate=0.08, tau=0.02, looks=2)
    *_rest, end = looks(shop, np.random.default_rng(11))
    assert not end.mismatch
    lost = replace(end.control, users=end.control.users * 4 // 5)
    assert replace(end, control=lost).mismatch
