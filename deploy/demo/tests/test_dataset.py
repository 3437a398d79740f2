"""The demo's shop and the layouts of real data that it reads."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo.dataset import (
    Dataset,
    Interaction,
    TooSmall,
    moment,
    refuse_small,
    split_by_time,
)
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


def test_the_flags_of_movielens_become_names_of_genres(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text(LAYOUTS["u.data"])
    url = "http://us.imdb.com/M/title-exact?Alpha%20(1995)"
    flags = "0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0"
    (tmp_path / "u.item").write_bytes(
        f"10|Alphavillé (1995)|01-Jan-1995||{url}|{flags}\n".encode("latin-1")
    )
    assert read(tmp_path, Columns()).items["10"] == {
        "title": "Alphavillé (1995)",
        "release_date": "01-Jan-1995",
        "imdb_url": url,
        "genres": "Animation, Children's, Comedy",
    }


def test_the_newer_layout_of_movielens_brings_its_titles_and_genres(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text(LAYOUTS["ratings.csv"])
    (tmp_path / "movies.csv").write_text(
        'movieId,title,genres\n10,"Alpha, The (1995)",Action|Crime\n20,Beta,Drama\n'
    )
    found = read(tmp_path, Columns())
    assert found.items["10"] == {"title": "Alpha, The (1995)", "genres": "Action, Crime"}
    assert found.items["20"] == {"title": "Beta", "genres": "Drama"}


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item,time\na,x,2026-01-02\n", encoding="utf-8-sig")
    assert read(path, Columns()).users == ["a"]


def test_a_wrong_line_is_named_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text("1\t10\t5\t881250949\n2\t20\t3\tnever\n")
    with pytest.raises(UnknownLayout, match="line 2"):
        read(tmp_path, Columns())


def many(user: str, count: int) -> list[Interaction]:
    """Return what a user did with this many items."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return [Interaction(user, f"i{n}", "like", start + timedelta(hours=n)) for n in range(count)]


@pytest.mark.parametrize(
    ("interactions", "told"),
    [
        (many("a", 9), "1 user"),
        (many("a", 1) + many("b", 1), "1 item"),
        (many("a", 4) + many("b", 4), "five different items"),
    ],
)
def test_too_little_data_is_refused_with_what_is_missing(
    interactions: list[Interaction], told: str
) -> None:
    dataset = Dataset("log.csv", {}, interactions)
    with pytest.raises(TooSmall, match=told):
        refuse_small(dataset, split_by_time(interactions))


def test_two_users_with_five_items_are_enough() -> None:
    interactions = many("a", 5) + many("b", 5)
    refuse_small(Dataset("log.csv", {}, interactions), split_by_time(interactions))


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
