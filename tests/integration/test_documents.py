"""The document store behaves the same on MongoDB's protocol as on SQLite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.documents import Documents, DocumentsUnavailable, open_documents
from chassis.testing.documents import DocumentsBehaviour


class TestMongoDocuments(DocumentsBehaviour):
    """Runs the common behaviour."""

    @pytest.fixture
    async def documents(self, mongo_url: str) -> AsyncIterator[Documents]:
        async with open_documents(mongo_url) as store:
            yield store


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
