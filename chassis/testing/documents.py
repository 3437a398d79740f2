"""What every document store does, executed on each adapter.

A subclass gives the fixture `documents`: an open store that other tests may have written to.
"""
# ruff: noqa: S101 - asserting is what a behaviour suite is for

import asyncio
from typing import Any

import pytest

from chassis.documents import (
    Document,
    DocumentExists,
    DocumentInvalid,
    Documents,
    Filter,
    OneOf,
    Range,
)
from chassis.ids import new_uid

VARIED: list[Document] = [
    {"id": "number", "value": 1, "rank": 2},
    {"id": "float", "value": 1.5, "rank": 1},
    {"id": "text", "value": "1", "rank": 2},
    {"id": "word", "value": "b", "rank": 3},
    {"id": "true", "value": True},
    {"id": "false", "value": False},
    {"id": "null", "value": None},
    {"id": "absent"},
    {"id": "list", "value": [1, "1", True, None]},
    {"id": "empty", "value": []},
    {"id": "object", "value": {"0": 1}},
]

MATCHES: list[tuple[Filter, set[str]]] = [
    ({"id": "text"}, {"text"}),
    ({"id": OneOf(["text", "absent", "nobody", 1])}, {"text", "absent"}),
    ({"id": Range(gte="text")}, {"text", "true", "word"}),
    ({"id": Range(gt="text")}, {"true", "word"}),
    ({"id": Range(lt="float")}, {"absent", "empty", "false"}),
    ({"id": Range(lte="float", gt="absent")}, {"empty", "false", "float"}),
    ({"id": Range(gt="text"), "value": "b"}, {"word"}),
    ({"id": Range(gt=1)}, set()),
    ({"id": OneOf([])}, set()),
    ({"id": None}, set()),
    ({"id": 1}, set()),
    ({"value": 1}, {"number"}),
    ({"value": 1.0}, {"number"}),
    ({"value": "1"}, {"text"}),
    ({"value": True}, {"true"}),
    ({"value": False}, {"false"}),
    ({"value": None}, {"null", "absent"}),
    ({"value": Range(gt=1)}, {"float"}),
    ({"value": Range(gte=1, lt=1.5)}, {"number"}),
    ({"value": Range(lte=1.5)}, {"number", "float"}),
    ({"value": Range(gte="1", lt="b")}, {"text"}),
    ({"value": OneOf([1, "1", True])}, {"number", "text", "true"}),
    ({"value": OneOf([None, 1.5])}, {"null", "absent", "float"}),
    ({"value": OneOf([])}, set()),
    ({"rank": 2, "value": 1}, {"number"}),
    ({"nowhere": 1}, set()),
    ({}, {str(document["id"]) for document in VARIED}),
]

ODD_MEMBERS = {
    "$set": {"a.b": {"$gt": 1}},
    "a.b": 1,
    "": "empty name",
    "_id": "not ours",
    "tenant": "nobody",
    "ünï": "cödé \U0001f600",
    "big": 2**53 + 1,
    "negative": -(2**63),
    "tiny": 5e-324,
    "whole": 1.0,
    "nested": [[{"deep": [None, True, False, "", []]}], {}],
}

UNKEEPABLE: list[dict[str, Any]] = [
    {},
    {"id": ""},
    {"id": 7},
    {"id": None},
    {"id": "a\0b"},
    {"id": "\ud800"},
    {"id": "x" * 513},
    {"id": "big", "value": 2**64},
    {"id": "surrogate", "value": "\ud800"},
    {"id": "key", "value": {1: 2}},
    {"id": "object", "value": object()},
    {"id": "huge", "value": "x" * (8 * 1024 * 1024)},
]


def _named(value: Filter | set[str]) -> str:
    """Name a case the same each time: sets have no order."""
    return ", ".join(sorted(value)) if isinstance(value, set) else repr(value)


class DocumentsBehaviour:
    """Inherit, and give the fixture `documents`."""

    @pytest.fixture
    def tenant(self) -> str:
        return new_uid()

    async def test_another_tenants_documents_are_invisible(
        self, documents: Documents, tenant: str
    ) -> None:
        other = new_uid()
        await documents.insert("notes", {"id": "a", "of": "other"}, tenant_id=other)

        assert await documents.get_many("notes", ["a"], tenant_id=tenant) == {}
        assert await documents.find("notes", tenant_id=tenant) == []
        assert await documents.count("notes", tenant_id=tenant) == 0
        assert await documents.delete("notes", tenant_id=tenant, where={"id": "a"}) == 0
        await documents.insert("notes", {"id": "a", "of": "own"}, tenant_id=tenant)
        await documents.replace("notes", {"id": "a", "of": "own again"}, tenant_id=tenant)

        assert await documents.find("notes", tenant_id=other) == [{"id": "a", "of": "other"}]

    async def test_no_spelling_of_names_makes_two_tenants_one(
        self, documents: Documents, tenant: str
    ) -> None:
        owners = [
            (f"{tenant}:a", "b"),
            (tenant, "a:b"),
            (f"{tenant}%3Aa", "b"),
            (f"{tenant}/a", "b"),
        ]
        for owner, name in owners:
            await documents.insert("notes", {"id": name, "of": owner}, tenant_id=owner)

        for owner, name in owners:
            found = await documents.get_many("notes", ["b", "a:b"], tenant_id=owner)
            assert found == {name: {"id": name, "of": owner}}

    async def test_an_inserted_document_is_found(self, documents: Documents, tenant: str) -> None:
        await documents.insert("notes", {"id": "a", "text": "first"}, tenant_id=tenant)

        found = await documents.find_one("notes", tenant_id=tenant, where={"text": "first"})

        assert found == {"id": "a", "text": "first"}
        assert await documents.find_one("notes", tenant_id=tenant, where={"text": "none"}) is None
        assert await documents.find("other_notes", tenant_id=tenant) == []

    async def test_a_taken_id_is_refused_and_nothing_changes(
        self, documents: Documents, tenant: str
    ) -> None:
        await documents.insert("notes", {"id": "a", "text": "first"}, tenant_id=tenant)

        with pytest.raises(DocumentExists):
            await documents.insert("notes", {"id": "a", "text": "second"}, tenant_id=tenant)

        assert await documents.find("notes", tenant_id=tenant) == [{"id": "a", "text": "first"}]

    async def test_replacing_keeps_a_new_document_and_drops_the_old_one(
        self, documents: Documents, tenant: str
    ) -> None:
        await documents.replace("notes", {"id": "a", "old": 1}, tenant_id=tenant)
        await documents.replace("notes", {"id": "a", "new": 2}, tenant_id=tenant)

        assert await documents.find("notes", tenant_id=tenant) == [{"id": "a", "new": 2}]

    async def test_many_are_replaced_and_read_at_once(
        self, documents: Documents, tenant: str
    ) -> None:
        before = [{"id": f"user-{n}", "seen": [n]} for n in range(300)]
        after = [{"id": f"user-{n}", "seen": [n, n]} for n in range(200, 500)]

        await documents.replace_many("histories", before, tenant_id=tenant)
        await documents.replace_many("histories", after, tenant_id=tenant)
        await documents.replace_many("histories", [], tenant_id=tenant)

        wanted = ["user-0", "user-250", "user-499", "user-250", "nobody"]
        assert await documents.get_many("histories", wanted, tenant_id=tenant) == {
            "user-0": {"id": "user-0", "seen": [0]},
            "user-250": {"id": "user-250", "seen": [250, 250]},
            "user-499": {"id": "user-499", "seen": [499, 499]},
        }
        everybody = [f"user-{n}" for n in range(500)]
        assert len(await documents.get_many("histories", everybody, tenant_id=tenant)) == 500
        assert await documents.get_many("histories", [], tenant_id=tenant) == {}
        assert await documents.count("histories", tenant_id=tenant) == 500

    async def test_the_last_of_two_equal_ids_in_one_call_stays(
        self, documents: Documents, tenant: str
    ) -> None:
        twice = [{"id": "a", "turn": 1}, {"id": "a", "turn": 2}]

        await documents.replace_many("notes", twice, tenant_id=tenant)

        assert await documents.find("notes", tenant_id=tenant) == [{"id": "a", "turn": 2}]

    @pytest.mark.parametrize(("where", "expected"), MATCHES, ids=_named)
    async def test_a_filter_compares_values_of_one_type(
        self, documents: Documents, tenant: str, where: Filter, expected: set[str]
    ) -> None:
        await documents.replace_many("varied", VARIED, tenant_id=tenant)

        found = await documents.find("varied", tenant_id=tenant, where=where)

        assert {document["id"] for document in found} == expected
        assert await documents.count("varied", tenant_id=tenant, where=where) == len(expected)

    async def test_deleting_takes_what_matches_and_nothing_else(
        self, documents: Documents, tenant: str
    ) -> None:
        await documents.replace_many("varied", VARIED, tenant_id=tenant)

        assert await documents.delete("varied", tenant_id=tenant, where={"rank": 2}) == 2
        assert await documents.delete("varied", tenant_id=tenant, where={"rank": 2}) == 0

        assert await documents.count("varied", tenant_id=tenant) == len(VARIED) - 2
        assert await documents.delete("varied", tenant_id=tenant, where={}) == len(VARIED) - 2

    @pytest.mark.parametrize(
        ("sort", "expected"),
        [
            (["rank"], ["d", "b", "a", "c"]),
            (["-rank"], ["a", "c", "b", "d"]),
            (["-rank", "-id"], ["c", "a", "b", "d"]),
            (["-id"], ["d", "c", "b", "a"]),
            ([], ["a", "b", "c", "d"]),
        ],
    )
    async def test_what_is_found_comes_sorted_and_cut(
        self, documents: Documents, tenant: str, sort: list[str], expected: list[str]
    ) -> None:
        ranked: list[Document] = [
            {"id": "c", "rank": 2},
            {"id": "a", "rank": 2},
            {"id": "d"},
            {"id": "b", "rank": 1},
        ]
        await documents.replace_many("ranked", ranked, tenant_id=tenant)

        found = await documents.find("ranked", tenant_id=tenant, sort=sort)
        cut = await documents.find("ranked", tenant_id=tenant, sort=sort, limit=2)
        first = await documents.find_one("ranked", tenant_id=tenant, where={}, sort=sort)

        assert [document["id"] for document in found] == expected
        assert cut == found[:2]
        assert first == found[0]

    async def test_pages_by_id_go_through_a_tenants_documents_alone(
        self, documents: Documents, tenant: str
    ) -> None:
        ids = ["a", "a:b", "b", "z~", "\u00e9", "\U0001f600"]
        neighbours = [tenant[:-1], f"{tenant}0", f"{tenant}:", f"{tenant};"]
        for owner in (tenant, *neighbours):
            kept: list[Document] = [{"id": name} for name in ids]
            await documents.replace_many("paged", kept, tenant_id=owner)

        found: list[str] = []
        while page := await documents.find(
            "paged",
            tenant_id=tenant,
            where={"id": Range(gt=found[-1])} if found else None,
            sort=["id"],
            limit=2,
        ):
            found += [document["id"] for document in page]

        assert found == ids
        assert await documents.delete("paged", tenant_id=tenant, where={"id": Range(gte="")}) == 6
        for owner in neighbours:
            assert await documents.count("paged", tenant_id=owner) == 6

    async def test_a_document_comes_back_as_it_went(
        self, documents: Documents, tenant: str
    ) -> None:
        document = {"id": "odd 'id' \"with\" / everything", **ODD_MEMBERS}

        await documents.insert("odd", document, tenant_id=tenant)

        [found] = await documents.find("odd", tenant_id=tenant)
        assert found == document
        assert list(found) == list(document)
        assert isinstance(found["whole"], float)

    @pytest.mark.parametrize("document", UNKEEPABLE, ids=lambda document: repr(document)[:30])
    async def test_what_cannot_be_kept_is_refused_and_nothing_changes(
        self, documents: Documents, tenant: str, document: Document
    ) -> None:
        for write in (documents.insert, documents.replace):
            with pytest.raises(DocumentInvalid):
                await write("notes", document, tenant_id=tenant)
        with pytest.raises(DocumentInvalid):
            await documents.replace_many("notes", [{"id": "a"}, document], tenant_id=tenant)

        assert await documents.count("notes", tenant_id=tenant) == 0

    async def test_bottomless_nesting_is_refused(self, documents: Documents, tenant: str) -> None:
        nested: Document = {}
        for _ in range(300):
            nested = {"inner": nested}

        with pytest.raises(DocumentInvalid):
            await documents.insert("notes", {"id": "deep", "inner": nested}, tenant_id=tenant)

    @pytest.mark.parametrize(
        "where",
        [
            {"a.b": 1},
            {"$where": 1},
            {"'": 1},
            {"": 1},
            {"a": {"$ne": 1}},
            {"a": [1]},
            {"a": 2**63},
            {"a": float("nan")},
            {"a": "\ud800"},
            {"a": Range()},
            {"a": Range(gt=1, lt="b")},
            {"a": Range(gt=True)},
            {"a": OneOf([{"$ne": 1}])},  # type: ignore[list-item]
        ],
        ids=repr,
    )
    async def test_a_senseless_filter_is_refused(
        self, documents: Documents, tenant: str, where: dict[str, Any]
    ) -> None:
        await documents.insert("notes", {"id": "a"}, tenant_id=tenant)

        with pytest.raises(DocumentInvalid):
            await documents.find("notes", tenant_id=tenant, where=where)
        with pytest.raises(DocumentInvalid):
            await documents.delete("notes", tenant_id=tenant, where=where)

        assert await documents.count("notes", tenant_id=tenant) == 1

    @pytest.mark.parametrize("collection", ["", "a b", "a.b", "$cmd", "1a", "x" * 65, "a\0"])
    async def test_a_collection_needs_a_plain_name(
        self, documents: Documents, tenant: str, collection: str
    ) -> None:
        with pytest.raises(DocumentInvalid):
            await documents.insert(collection, {"id": "a"}, tenant_id=tenant)
        with pytest.raises(DocumentInvalid):
            await documents.get_many(collection, ["a"], tenant_id=tenant)

    async def test_a_tenant_is_always_named(self, documents: Documents) -> None:
        with pytest.raises(DocumentInvalid):
            await documents.insert("notes", {"id": "a"}, tenant_id="")
        with pytest.raises(DocumentInvalid):
            await documents.find("notes", tenant_id="")
        with pytest.raises(DocumentInvalid):
            await documents.get_many("notes", ["a"], tenant_id="")

    @pytest.mark.parametrize("limit", [0, -1, 2**31])
    async def test_a_limit_is_positive(self, documents: Documents, tenant: str, limit: int) -> None:
        with pytest.raises(DocumentInvalid):
            await documents.find("notes", tenant_id=tenant, limit=limit)

    async def test_an_id_that_cannot_be_is_not_there(
        self, documents: Documents, tenant: str
    ) -> None:
        impossible = ["", "a\0b", "\ud800", "x" * 513]

        assert await documents.get_many("notes", impossible, tenant_id=tenant) == {}

    async def test_writers_that_meet_lose_nothing(self, documents: Documents, tenant: str) -> None:
        await asyncio.gather(
            *(
                documents.replace("notes", {"id": str(n), "n": n}, tenant_id=tenant)
                for n in range(200)
            )
        )

        found = await documents.find("notes", tenant_id=tenant, sort=["n"])
        assert [document["n"] for document in found] == list(range(200))

    async def test_of_two_who_insert_one_id_one_is_refused(
        self, documents: Documents, tenant: str
    ) -> None:
        outcomes = await asyncio.gather(
            *(documents.insert("notes", {"id": "a", "by": n}, tenant_id=tenant) for n in range(20)),
            return_exceptions=True,
        )

        assert outcomes.count(None) == 1
        assert sum(isinstance(outcome, DocumentExists) for outcome in outcomes) == 19
        [found] = await documents.find("notes", tenant_id=tenant)
        assert found["by"] == outcomes.index(None)

    async def test_what_is_replaced_by_many_at_once_is_one_of_theirs(
        self, documents: Documents, tenant: str
    ) -> None:
        await asyncio.gather(
            *(documents.replace("notes", {"id": "a", "by": n}, tenant_id=tenant) for n in range(20))
        )

        [found] = await documents.find("notes", tenant_id=tenant)
        assert found["by"] in range(20)
