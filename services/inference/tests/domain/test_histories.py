import itertools
from random import Random

import pytest

from inference.domain.histories import KEPT_ITEMS, Entry, History, Recent, by_user

ENTRIES = (
    Entry("tea", 0.1, 100.0),
    Entry("tea", 1.0, 50.0),
    Entry("cake", 0.3, 70.0),
    Entry("tea", 0.7, 60.0),
)


@pytest.mark.parametrize("order", [*itertools.permutations(ENTRIES)])
def test_any_order_and_any_repeat_ends_in_the_same_history(order: tuple[Entry, ...]) -> None:
    history = History()
    for entry in (*order, *order[:2]):
        history = history.merged(History.of([entry]))

    assert history.entries == (Entry("tea", 1.0, 100.0), Entry("cake", 0.3, 70.0))


@pytest.mark.parametrize("seed", range(20))
def test_merging_in_parts_is_merging_at_once(seed: int) -> None:
    draw = Random(seed)
    entries = [
        Entry(f"item-{draw.randrange(30)}", draw.random(), float(draw.randrange(50)))
        for _ in range(60)
    ]
    history = History()
    at = 0
    while at < len(entries):
        some = draw.randrange(1, 12)
        history = history.merged(History.of(entries[at : at + some]))
        at += some

    assert history == History.of(entries)


def test_merging_nothing_changes_nothing() -> None:
    history = History.of(ENTRIES)

    assert history.merged(History()) == history
    assert History().merged(history) == history


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        (Entry("tea", 0.1, 200.0), (Entry("tea", 1.0, 200.0), Entry("cake", 0.3, 70.0))),
        (Entry("cake", 0.9, 200.0), (Entry("cake", 0.9, 200.0), Entry("tea", 1.0, 100.0))),
        (
            Entry("jam", 0.5, 200.0),
            (Entry("jam", 0.5, 200.0), Entry("tea", 1.0, 100.0), Entry("cake", 0.3, 70.0)),
        ),
    ],
)
def test_one_newer_entry_comes_first(newest: Entry, expected: tuple[Entry, ...]) -> None:
    history = History.of(ENTRIES)

    assert history.merged(History.of([newest])).entries == expected
    assert History.of([newest, *history.entries]).entries == expected


def test_one_entry_more_keeps_to_the_bound() -> None:
    full = History.of(Entry(f"item-{n}", 1.0, float(n)) for n in range(KEPT_ITEMS))

    more = full.merged(History.of([Entry("new", 1.0, 1e9)]))

    assert len(more) == KEPT_ITEMS
    assert more.entries[0].item == "new"


def test_the_oldest_items_are_dropped_beyond_the_bound() -> None:
    entries = [Entry(f"item-{n}", 1.0, float(n)) for n in range(KEPT_ITEMS + 10)]

    history = History.of(reversed(entries))

    assert len(history) == KEPT_ITEMS
    assert history.entries[0].item == f"item-{KEPT_ITEMS + 9}"
    assert history.entries[-1].item == "item-10"


def test_entries_are_told_apart_by_user() -> None:
    users = by_user([("ann", ENTRIES[0]), ("ben", ENTRIES[2]), ("ann", ENTRIES[1])])

    assert users["ann"].entries == (Entry("tea", 1.0, 100.0),)
    assert users["ben"].entries == (ENTRIES[2],)


def test_what_was_heard_is_remembered_per_tenant_and_bounded() -> None:
    recent = Recent(limit=2)
    recent.add("t1", {"ann": History.of(ENTRIES[:1])})
    recent.add("t2", {"ann": History.of(ENTRIES[2:3])})
    recent.add("t1", {"ann": History.of(ENTRIES[1:2])})

    assert recent.of("t1", "ann").entries == (Entry("tea", 1.0, 100.0),)
    assert recent.of("t2", "ann").entries == (ENTRIES[2],)

    recent.add("t1", {"ben": History.of(ENTRIES[:1])})
    assert recent.of("t2", "ann") == History()
    recent.forget("t1", "ann", until=50.0)
    assert recent.of("t1", "ann").entries == (Entry("tea", 1.0, 100.0),)
    recent.forget("t1", "ann", until=100.0)
    assert recent.of("t1", "ann") == History()
