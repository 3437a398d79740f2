import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup import manifest, sqlite
from backup.places import Places, kind_of
from backup.restoring import require_fitting
from chassis.settings import Settings
from embedded.failure import Failure


def rows(file: Path) -> list[int]:
    with closing(sqlite3.connect(file)) as database:
        return [row[0] for row in database.execute("SELECT n FROM numbers ORDER BY n")]


def names(folder: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in folder.glob(pattern))


def new_database(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE numbers (n INTEGER)")
    return database


async def test_a_copy_holds_what_was_there_at_the_cut_and_nothing_later(tmp_path: Path) -> None:
    with closing(new_database(tmp_path / "live.db")) as live:
        live.execute("INSERT INTO numbers VALUES (1)")
        async with sqlite.frozen(tmp_path / "live.db", asyncio.Barrier(1)) as copy:
            live.execute("INSERT INTO numbers VALUES (2)")
            await copy(tmp_path / "copy.sqlite")
    assert rows(tmp_path / "copy.sqlite") == [1]
    assert names(tmp_path, "copy*") == ["copy.sqlite"]  # whole without a log beside it


async def test_nobody_writes_anywhere_until_all_are_cut(tmp_path: Path) -> None:
    with closing(new_database(tmp_path / "cause.db")) as live:
        new_database(tmp_path / "effect.db").close()
        together = asyncio.Barrier(2)
        cause = asyncio.create_task(_copied(tmp_path / "cause.db", together))
        async with asyncio.timeout(10):
            while not together.n_waiting:  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0)
        live.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            live.execute("INSERT INTO numbers VALUES (1)")
        await asyncio.gather(cause, _copied(tmp_path / "effect.db", together))
        live.execute("INSERT INTO numbers VALUES (2)")
    assert rows(tmp_path / "cause.db.copy") == rows(tmp_path / "effect.db.copy") == []


async def _copied(file: Path, together: asyncio.Barrier) -> None:
    async with sqlite.frozen(file, together) as copy:
        await copy(file.with_name(f"{file.name}.copy"))


async def test_a_database_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    for name in ("copy.db", "there.db"):
        new_database(tmp_path / name).close()
    with pytest.raises(Failure, match="overwrites nothing"):
        sqlite.put_back(tmp_path / "copy.db", tmp_path / "there.db")


def test_a_backup_that_was_never_finished_is_none(tmp_path: Path) -> None:
    (tmp_path / "databases").mkdir()
    with pytest.raises(Failure, match="never finished"):
        manifest.read(tmp_path)


def test_a_file_that_is_gone_is_damage(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"content")
    manifest.write(tmp_path, described(tmp_path))
    assert manifest.read(tmp_path).files.keys() == {"blob"}
    (tmp_path / "blob").unlink()
    with pytest.raises(Failure, match="damaged: blob"):
        manifest.read(tmp_path)


def test_a_backup_of_a_newer_release_or_of_other_stores_is_refused(tmp_path: Path) -> None:
    places = Places.of(Settings(home=tmp_path))
    fitting = described(tmp_path)
    require_fitting(fitting, places)
    with pytest.raises(Failure, match="newer release: catalog"):
        require_fitting(fitting.model_copy(update={"revisions": {"catalog": "9999"}}), places)
    with pytest.raises(Failure, match="are of postgresql; the settings name sqlite"):
        require_fitting(fitting.model_copy(update={"databases": "postgresql"}), places)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("sqlite+aiosqlite:////a/b.db", "sqlite"),
        ("postgresql+asyncpg://host/db", "postgresql"),
        ("mongodb+srv://host/db", "mongodb"),
    ],
)
def test_a_store_is_known_by_its_url(url: str, kind: str) -> None:
    assert kind_of(url) == kind


def described(folder: Path) -> manifest.Manifest:
    return manifest.Manifest(
        taken_at=datetime.now(UTC),
        databases="sqlite",
        documents="sqlite",
        revisions={"catalog": "0001"},
        files=manifest.digests(folder),
    )
