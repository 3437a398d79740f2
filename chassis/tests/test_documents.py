"""The embedded document store: the common behaviour, and what a file adds to it."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from chassis.documents import Documents, DocumentsUnavailable, Range, conditions, open_documents
from chassis.ids import new_uid
from chassis.testing.documents import DocumentsBehaviour

TENANT = new_uid()

WRITER = """
import asyncio, sys
from chassis.documents import open_documents

async def main():
    store = open_documents(sys.argv[1])
    for number in range(100_000):
        await store.insert("kept", {"id": str(number)}, tenant_id=sys.argv[2])
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/new/documents.db"


@pytest.fixture
async def documents(url: str) -> AsyncIterator[Documents]:
    async with open_documents(url) as store:
        yield store


class TestEmbeddedDocuments(DocumentsBehaviour):
    """Runs the common behaviour."""


async def test_documents_outlive_the_store(url: str) -> None:
    async with open_documents(url) as store:
        await store.insert("notes", {"id": "a"}, tenant_id=TENANT)

    async with open_documents(url) as store:
        assert await store.find("notes", tenant_id=TENANT) == [{"id": "a"}]


async def test_closing_finishes_the_writes_under_way(url: str) -> None:
    store = open_documents(url)
    writes = [
        asyncio.ensure_future(store.insert("notes", {"id": str(n)}, tenant_id=TENANT))
        for n in range(20)
    ]
    await asyncio.sleep(0)  # each has been asked for

    await store.close()
    await asyncio.gather(*writes)

    async with open_documents(url) as store:
        assert await store.count("notes", tenant_id=TENANT) == 20


async def test_an_answered_write_survives_a_kill(url: str) -> None:
    answered = _killed_while_writing(url)

    async with open_documents(url) as store:
        assert await store.count("kept", tenant_id=TENANT) >= len(answered)


async def test_two_stores_share_one_file(url: str) -> None:
    async with open_documents(url) as one, open_documents(url) as other:
        await one.insert("notes", {"id": "a"}, tenant_id=TENANT)
        await other.insert("notes", {"id": "b"}, tenant_id=TENANT)

        assert await one.count("notes", tenant_id=TENANT) == 2


async def test_a_broken_file_is_said_to_be_unavailable(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database" * 1000)

    with pytest.raises(DocumentsUnavailable):
        open_documents(f"sqlite:///{tmp_path}/broken.db")


async def test_a_path_is_relative_unless_it_starts_at_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    await open_documents("sqlite:///here/documents.db").close()

    assert (tmp_path / "here" / "documents.db").exists()


@pytest.mark.parametrize("url", ["redis://localhost", "documents.db", "sqlite://", "sqlite://x/y"])
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"sqlite"):
        open_documents(url)


def _killed_while_writing(url: str) -> list[str]:
    command = (sys.executable, "-c", WRITER, url, TENANT)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        answered = [next(writer.stdout) for _ in range(50)]
        os.kill(writer.pid, signal.SIGKILL)
        return answered + writer.stdout.readlines()


async def test_a_page_of_ids_is_read_in_the_order_of_the_key(tmp_path: Path) -> None:
    file = tmp_path / "documents.db"
    async with open_documents(f"sqlite:///{file}") as store:
        await store.insert("notes", {"id": "a"}, tenant_id="t")
    clause, values = conditions.matching("notes", {"id": Range(gt="a")}, tenant_id="t")
    ordering, _ = conditions.ordering(["id"])
    statement = f"SELECT body FROM documents WHERE {clause} ORDER BY {ordering} LIMIT 50"  # noqa: S608 (fixed fragments)
    with closing(sqlite3.connect(file)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    [step] = [row[-1] for row in plan]
    assert "USING INDEX" in step
    assert "(collection=? AND tenant=? AND id>?)" in step
