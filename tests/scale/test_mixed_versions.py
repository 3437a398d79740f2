"""During every upgrade services of two releases run side by side: together they do the same."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import until
from tests.scale import releases
from tests.scale import test_two_of_everything as agreed
from tests.scale.conftest import Both, Pair, Workshop

#: Each beside one of today: it writes what today's read, and reads what today's write.
OLD = ("catalog-2", "inference-2", "experiments-2")


@pytest.fixture(scope="module")
def mixed(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Have one replica of some services run the previous release."""
    old = releases.environment(releases.lay_out_previous(tmp_path_factory.mktemp("release")))
    with pair.stack.replaced(dict.fromkeys(OLD, old)):
        until(lambda: pair.is_whole, within=120, every=0.5)
        yield pair
    until(lambda: pair.is_whole, within=120, every=0.5)


def test_the_previous_release_is_what_runs(tmp_path: Path) -> None:
    tree = releases.lay_out_previous(tmp_path)
    ask = (
        "import catalog, chassis, contracts\n"
        "for part in (catalog, chassis, contracts): print(part.__path__[0])"
    )
    said = subprocess.run(
        (sys.executable, "-c", ask),
        env={**os.environ, **releases.environment(tree)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert said == [str(tree / part) for part in ("services/catalog", "chassis", "contracts")]


@pytest.mark.parametrize(
    "agreement",
    [
        agreed.test_partitions_are_shared,
        agreed.test_every_service_runs_twice,
    ],
    ids=lambda agreement: agreement.__name__.removeprefix("test_"),
)
def test_both_releases_take_part(mixed: Pair, agreement: Callable[[Pair], None]) -> None:
    agreement(mixed)


@pytest.mark.parametrize(
    "agreement",
    [
        agreed.test_histories_agree_whichever_replica_answers,
        agreed.test_everything_that_comes_through_both_doors_and_gateways_counts_once,
    ],
    ids=lambda agreement: agreement.__name__.removeprefix("test_"),
)
@pytest.mark.usefixtures("mixed")
def test_both_releases_agree(both: Both, agreement: Callable[[Both], None]) -> None:
    agreement(both)


@pytest.mark.usefixtures("mixed")
def test_slots_of_either_release_reach_both(workshop: Workshop) -> None:
    agreed.test_a_slot_change_reaches_every_replica_within_a_second(workshop)
