"""Reads real data in the layouts it usually has: MovieLens, RecBole atomic files, any CSV."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.dataset import Dataset, Interaction, moment

_TITLE_NAMES = ("title", "movie_title", "name", "item_name")
_INTERACTION_FILES = ("u.data", "ratings.csv", "ratings.dat")
_ITEM_FILES = ("u.item", "movies.csv", "movies.dat", "items.csv")
_USER_NAMES = ("user_id", "userId", "user", "customer_id", "visitorid")
_ITEM_NAMES = ("item_id", "itemId", "movieId", "item", "product_id", "itemid")
_TIME_NAMES = ("timestamp", "time", "datetime", "date", "created_at")
#: The columns of a file without a header line, by its name: MovieLens' own README lists them.
_RATING_COLUMNS = ("user_id", "item_id", "rating", "timestamp")
_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
_U_ITEM_COLUMNS = (
    *("item_id", "title", "release_date", "video_release_date", "imdb_url"),
    *_GENRES,
)


class UnknownLayout(ValueError):
    """The data is in no layout that the demo reads; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns in a CSV, where the caller gives them."""

    user: str | None = None
    item: str | None = None
    time: str | None = None


def read(path: Path, columns: Columns) -> Dataset:
    """Read a folder or a file.

    Raises:
        UnknownLayout: nothing there can be read as interactions.
    """
    if not path.exists():
        raise UnknownLayout(f"{path} does not exist.")
    source = path if path.is_file() else _interactions_file(path)
    interactions = sorted(_interactions(source, columns), key=lambda each: each.at)
    if not interactions:
        raise UnknownLayout(f"{source} holds no interactions.")
    items = {each.item: {"title": each.item} for each in interactions} | _items(source)
    return Dataset(path.name, items, interactions)


def _interactions_file(folder: Path) -> Path:
    for name in _INTERACTION_FILES:
        if (folder / name).exists():
            return folder / name
    for pattern in ("*.inter", "*.csv"):
        found = sorted(folder.glob(pattern))
        if found:
            return found[0]
    raise UnknownLayout(
        f"{folder} has none of {', '.join(_INTERACTION_FILES)}, *.inter or *.csv in it."
    )


def _interactions(path: Path, columns: Columns) -> Iterator[Interaction]:
    if path.name == "u.data":
        yield from _read_rows(path, _plain(path, "\t", _RATING_COLUMNS), columns, first=1)
    elif path.suffix == ".dat":
        yield from _read_rows(path, _plain(path, "::", _RATING_COLUMNS), columns, first=1)
    else:
        yield from _read_rows(path, _headed(path), columns, first=2)


def _read_rows(
    path: Path, rows: Iterator[Mapping[str, str]], columns: Columns, *, first: int
) -> Iterator[Interaction]:
    names: tuple[str, str, str] | None = None
    for number, row in enumerate(rows, start=first):
        names = names or (
            _column(row, columns.user, _USER_NAMES, "USER"),
            _column(row, columns.item, _ITEM_NAMES, "ITEM"),
            _column(row, columns.time, _TIME_NAMES, "TIME"),
        )
        user, item, time = names
        try:
            # A rating says that somebody watched and cared enough to rate: the strongest signal.
            yield Interaction(row[user], row[item], "like", moment(row[time]), value=1.0)
        except (ValueError, KeyError, TypeError) as error:
            raise UnknownLayout(f"{path}, line {number}: {error}") from error


def _column(row: Mapping[str, str], given: str | None, usual: tuple[str, ...], option: str) -> str:
    for name in (given,) if given else usual:
        if name in row:
            return name
    wanted = f'no column "{given}"' if given else f"none of the columns {', '.join(usual)}"
    raise UnknownLayout(f"There is {wanted}; name it with {option}=… (found: {', '.join(row)}).")


def _headed(path: Path) -> Iterator[dict[str, str]]:
    """Read a file with a header line; RecBole's `name:type` headers lose their types.

    Spreadsheets begin their files with a byte order mark, which is no part of the first name.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        separator = "\t" if path.suffix in {".inter", ".item", ".tsv"} else ","
        reader = csv.reader(file, delimiter=separator)
        header = [name.split(":")[0].strip() for name in next(reader, [])]
        for row in reader:
            yield dict(zip(header, row, strict=False))


def _plain(path: Path, separator: str, header: Sequence[str]) -> Iterator[dict[str, str]]:
    with path.open(encoding="latin-1") as file:
        for line in file:
            yield dict(zip(header, line.rstrip("\n").split(separator), strict=False))


def _items(interactions: Path) -> dict[str, dict[str, str]]:
    folder = interactions.parent
    recbole = interactions.with_suffix(".item")
    if interactions.suffix == ".inter" and recbole.exists():
        return _titled(_headed(recbole))
    for name in _ITEM_FILES:
        path = folder / name
        if path.exists() and path != interactions:
            return _titled(_item_rows(path))
    return {}


def _item_rows(path: Path) -> Iterator[dict[str, str]]:
    if path.name == "u.item":
        return map(_with_genres, _plain(path, "|", _U_ITEM_COLUMNS))
    if path.suffix == ".dat":
        return map(_spelled, _plain(path, "::", ("item_id", "title", "genres")))
    return map(_spelled, _headed(path))


def _with_genres(row: dict[str, str]) -> dict[str, str]:
    """Turn a flag per genre into the names of the genres."""
    others = {name: text for name, text in row.items() if name not in _GENRES}
    return others | {"genres": ", ".join(name for name in _GENRES if row.get(name) == "1")}


def _spelled(row: dict[str, str]) -> dict[str, str]:
    """Spell MovieLens' `Action|Crime` as a person would."""
    if "genres" in row:
        row["genres"] = row["genres"].replace("|", ", ")
    return row


def _titled(rows: Iterator[dict[str, str]]) -> dict[str, dict[str, str]]:
    items = {}
    for row in rows:
        key = next((name for name in _ITEM_NAMES if name in row), None)
        if key is None:
            return {}
        title = next((row[name] for name in _TITLE_NAMES if row.get(name)), row[key])
        others = {name: text for name, text in row.items() if name not in (key, *_TITLE_NAMES)}
        items[row[key]] = {"title": title} | {name: text for name, text in others.items() if text}
    return items
