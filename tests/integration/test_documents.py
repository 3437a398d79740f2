"""The document store behaves the same on MongoDB's protocol as on SQLite."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorCollection

from chassis.documents import Documents, DocumentsUnavailable, Range, open_documents
from chassis.testing.documents import DocumentsBehaviour


class TestMongoDocuments(DocumentsBehaviour):
    """Runs the common behaviour."""

    @pytest.fixture
    async def documents(self, mongo_url: str) -> AsyncIterator[Documents]:
        async with open_documents(mongo_url) as store:
            yield store

    async def test_a_page_of_ids_is_read_from_the_index_of_keys_and_sorts_nothing(
        self, documents: Documents, tenant: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[tuple[Any, Any]] = []
        plain = AsyncIOMotorCollection.find

        class Noted:
            """A cursor that tells how it is asked."""

            def __init__(self, query: Any, cursor: Any) -> None:
                self.query, self.cursor = query, cursor

            def sort(self, by: Any) -> Any:
                asked.append((self.query, by))
                return self.cursor.sort(by)

        monkeypatch.setattr(
            AsyncIOMotorCollection,
            "find",
            lambda self, *given: Noted(given[0], plain(self, *given)),
        )
        await documents.insert("pages", {"id": "a"}, tenant_id=tenant)
        where = {"id": Range(gt="a")}
        await documents.find("pages", tenant_id=tenant, where=where, sort=["id"], limit=50)
        await documents.find("pages", tenant_id=tenant, sort=["id"], limit=50)

        keys = [
            {"$gt": f"{tenant}:a", "$lt": f"{tenant};"},
            {"$gte": f"{tenant}:", "$lt": f"{tenant};"},
        ]
        assert asked == [({"_id": each}, [("_id", 1)]) for each in keys]


class TestEmbeddedDocuments(DocumentsBehaviour):
    """Runs the common behaviour."""

    @pytest.fixture
    async def documents(self, tmp_path: Path) -> AsyncIterator[Documents]:
        async with open_documents(f"sqlite:///{tmp_path}/documents.db") as store:
            yield store


async def test_an_absent_server_is_said_to_be_unavailable() -> None:
    async with open_documents("mongodb://127.0.0.1:1/millrace?timeoutMS=500") as store:
        with pytest.raises(DocumentsUnavailable):
            await store.insert("notes", {"id": "a"}, tenant_id="tenant")
        with pytest.raises(DocumentsUnavailable):
            await store.find("notes", tenant_id="tenant")
