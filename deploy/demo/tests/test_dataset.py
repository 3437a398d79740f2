"""The demo's shop and the layouts of real data that it reads."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo.dataset import Interaction, moment, split_by_time
from demo.layouts import Columns, UnknownLayout, read
from demo.measures import quality
from demo.shop import make_shop


def test_the_same_seed_makes_the_same_shop() -> None:
    assert make_shop(seed=3) == make_shop(seed=3)
    assert make_shop(seed=3) != make_shop(seed=4)


def test_popularity_is_skewed_and_cold_items_are_never_met() -> None:
    shop = make_shop()
    counts = Counter(each.item for each in shop.interactions)
    top = sum(count for _item, count in counts.most_common(36))
    assert top > 0.4 * len(shop.interactions)
    assert len(shop.items) - len(counts) >= 20


def test_customers_act_on_their_planted_tastes() -> None:
    shop = make_shop()
    strong = [each for each in shop.interactions if each.kind in {"like", "purchase"}]
    liked = [shop.tastes[each.user][shop.items[each.item]["category"]] for each in strong]
    assert sum(liked) / len(liked) > 0.7


def test_the_newest_fifth_of_each_users_items_is_held_out() -> None:
    history = [
        Interaction("u", f"i{n}", "like", datetime(2026, 1, n, tzinfo=UTC)) for n in range(1, 11)
    ]
    split = split_by_time(history)
    assert split.held_out == {"u": {"i9", "i10"}}
    assert [each.item for each in split.train] == [f"i{n}" for n in range(1, 9)]


LAYOUTS = {
    "u.data": "1\t10\t5\t881250949\n2\t20\t3\t881250950\n",
    "ratings.csv": "userId,movieId,rating,timestamp\n1,10,5,881250949\n2,20,3,881250950\n",
    "some.inter": (
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "1\t10\t5\t881250949\n2\t20\t3\t881250950\n"
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_recognised_in_a_folder_and_as_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(LAYOUTS[name])
    for path in (tmp_path, tmp_path / name):
        found = read(path, Columns())
        assert [(each.user, each.item) for each in found.interactions] == [("1", "10"), ("2", "20")]


def test_titles_come_from_the_file_beside(tmp_path: Path) -> None:
    (tmp_path / "some.inter").write_text(LAYOUTS["some.inter"])
    (tmp_path / "some.item").write_text("item_id:token\tmovie_title:token_seq\n10\tAlpha\n")
    found = read(tmp_path, Columns())
    assert found.title("10") == "Alpha"
    assert found.title("20") == "20"


def test_columns_of_any_csv_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("who,what,when\na,x,2026-01-02T03:04:05Z\n")
    found = read(path, Columns("who", "what", "when"))
    assert found.interactions[0].at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_csv_that_needs_names_says_which(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("who,what,when\na,x,2026-01-02\n")
    with pytest.raises(UnknownLayout, match="USER="):
        read(path, Columns())


@pytest.mark.parametrize(
    "content", ["", "user_id,item_id,timestamp\n", "user_id,item_id,time\na,b,never\n"]
)
def test_data_without_interactions_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(content)
    with pytest.raises(UnknownLayout):
        read(path, Columns())


def test_a_place_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownLayout, match="does not exist"):
        read(tmp_path / "nowhere", Columns())


def test_moments_are_read_in_three_spellings() -> None:
    wanted = datetime(2026, 1, 2, tzinfo=UTC)
    for text in ("2026-01-02", str(wanted.timestamp()), str(wanted.timestamp() * 1000)):
        assert moment(text) == wanted


def test_quality_by_hand() -> None:
    found = quality({"a": ["x", "y"], "b": ["z"]}, {"a": {"y"}, "b": {"q"}}, cutoff=2)
    assert found.ndcg == pytest.approx((1 / 1.584962500721156) / 2)
    assert found.recall == 0.5
