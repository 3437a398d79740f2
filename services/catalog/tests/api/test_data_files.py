"""Uploads: exact refusals, tables that can be trained on, and bombs that do not go off."""

import gzip
import io
import json
import tarfile
import zipfile
from typing import Any

import polars as pl
import pytest

from catalog.operations.sweeping import Sweeper
from chassis.blobs import open_blobs
from chassis.testing import ADMIN, STRANGER, Bench, key_of
from chassis.testing.ids import NO_IDS, ODD_IDS
from contracts.catalog import DataFileChanged, DataFileDeleted, ItemChanged
from contracts.identifiers import fault_in

DATA = "/api/v1/training_data/"
META = "/api/v1/item_meta_data/"
CSV = b"user_id,item_id,timestamp,stars\n1,10,2026-01-01 10:00:00,5\n2,11,2026-01-02 11:00:00,\n"


async def upload(
    bench: Bench,
    content: bytes | None,
    name: str = "data.csv",
    *,
    path: str = DATA,
    project: Any = 1,
    caller: Any = ADMIN,
) -> Any:
    files = None if content is None else {"file": (name, content)}
    body = {} if project is None else {"project": str(project)}
    async with bench.as_caller(caller) as client:
        if files is None:
            files = {"other": ("x", b"")}
        return await client.post(path, data=body, files=files)


def store(bench: Bench) -> Any:
    return open_blobs(bench.service.settings.blobs())


async def table_of(bench: Bench) -> pl.DataFrame:
    [*_, changed] = await bench.emitted(DataFileChanged)
    content = await store(bench).get(changed.table_key)
    return pl.read_parquet(io.BytesIO(content))


@pytest.mark.parametrize("path", [DATA, META])
async def test_an_anonymous_caller_is_refused(bench: Bench, path: str) -> None:
    assert (await upload(bench, CSV, path=path, caller=None)).status_code == 401
    async with bench.as_caller(None) as client:
        assert (await client.get(path)).status_code == 401


@pytest.mark.parametrize("path", [DATA, META])
async def test_another_tenants_file_does_not_exist(bench: Bench, path: str) -> None:
    file = (await upload(bench, CSV, path=path)).json()
    async with bench.as_caller(STRANGER) as client:
        assert (await client.get(path)).json()["count"] == 0
        for method, rest in (
            ("GET", ""),
            ("DELETE", ""),
            ("GET", "download_file/"),
            ("DELETE", "unlink_file/"),
        ):
            answer = await client.request(method, f"{path}{file['id']}/{rest}")
            assert answer.status_code == 404
    theirs = await upload(bench, CSV, path=path, project=1, caller=STRANGER)
    nobodys = await upload(bench, CSV, path=path, project=999, caller=STRANGER)
    assert (theirs.status_code, nobodys.status_code) == (400, 400)
    assert theirs.json()["project"] == ['Invalid pk "1" - object does not exist.']
    assert nobodys.json()["project"] == ['Invalid pk "999" - object does not exist.']


async def test_a_key_works_in_its_own_project_alone(bench: Bench) -> None:
    file = (await upload(bench, CSV)).json()
    key = key_of("read", "write", project=2)
    refused = await upload(bench, CSV, caller=key)
    assert refused.json()["project"] == ['Invalid pk "1" - object does not exist.']
    async with bench.as_caller(key) as client:
        assert (await client.get(DATA)).json()["count"] == 0
        assert (await client.get(f"{DATA}{file['id']}/")).status_code == 404


async def test_a_file_becomes_a_table_for_training(bench: Bench) -> None:
    answer = await upload(bench, CSV, "../../etc/my data.csv")
    assert answer.status_code == 201
    body = answer.json()
    assert (body["project"], body["filesize"]) == (1, len(CSV))
    assert (body["basename"], body["file"]) == ("my_data.csv", "training_data/my_data.csv")
    [changed] = await bench.emitted(DataFileChanged)
    assert (changed.kind, changed.file_id, changed.rows) == ("training_data", body["id"], 2)
    assert changed.table_key.startswith(f"{ADMIN.tenant_id}/training_data/")
    table = await table_of(bench)
    assert dict(table.schema) == {
        "user_id": pl.String(),
        "item_id": pl.String(),
        "timestamp": pl.Datetime("us", "UTC"),
        "stars": pl.Int64(),
    }
    assert table["stars"].to_list() == [5, None]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(CSV, mtime=0)),
        ("a.csv.gzip", gzip.compress(CSV, mtime=0)),
        ("a.tsv", CSV.replace(b",", b"\t")),
        ("A.CSV", b"\xef\xbb\xbf" + CSV),
    ],
)
async def test_text_tables_are_read(bench: Bench, name: str, content: bytes) -> None:
    assert (await upload(bench, content, name)).status_code == 201
    assert (await table_of(bench))["user_id"].to_list() == ["1", "2"]


ROWS = [
    {"user_id": 1, "item_id": "a", "timestamp": 1768472000, "x": {"y": 1}},
    {"user_id": 2, "item_id": "b", "timestamp": 1768472001.5},
]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps(ROWS).encode()),
        ("a.json", json.dumps({n: {"0": ROWS[0].get(n), "1": ROWS[1].get(n)} for n in ROWS[0]})),
        ("a.ndjson", "\n".join(map(json.dumps, ROWS))),
        ("a.jsonl.gz", gzip.compress("\n\n".join(map(json.dumps, ROWS)).encode(), mtime=0)),
    ],
)
async def test_records_are_read(bench: Bench, name: str, content: Any) -> None:
    sent = content.encode() if isinstance(content, str) else content
    assert (await upload(bench, sent, name)).status_code == 201
    table = await table_of(bench)
    assert table["user_id"].to_list() == ["1", "2"]
    assert table["timestamp"].dt.epoch("ms").to_list() == [1768472000000, 1768472001500]


async def test_parquet_is_read(bench: Bench) -> None:
    buffer = io.BytesIO()
    frame = pl.DataFrame(
        {"user_id": [1, 2], "item_id": [3, 4], "timestamp": [1768472000, 1768472001]}
    )
    frame.write_parquet(buffer)
    assert (await upload(bench, buffer.getvalue(), "a.parquet")).status_code == 201
    assert (await table_of(bench))["item_id"].to_list() == ["3", "4"]


def zipped_zeros() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        zeros = zipfile.ZipInfo("a.csv")  # of no time: names of tests are the same each time
        archive.writestr(zeros, b"\x00" * 1_000_000, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def packed_link() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("a.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return gzip.compress(buffer.getvalue(), mtime=0)


ZEROS, LINK = zipped_zeros(), packed_link()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "The submitted file is empty."),
        ("a.csv", b"user_id,item_id,timestamp\n", "The submitted file is empty."),
        ("a.csv", b"user_id,item_id\n1,2\n", 'Column "timestamp" not found in the upload file.'),
        ("a.gz.csv", gzip.compress(CSV, mtime=0), "Failed to parse a.gz.csv as .csv file."),
        ("a.csv", b"item_id,timestamp\n1,2\n", 'Column "user_id" not found in the upload file.'),
        ("a.csv", b"user_id,timestamp\n1,2\n", 'Column "item_id" not found in the upload file.'),
        ("a.csv", b"a,a\n1,2\n", 'Column "a" occurs more than once.'),
        ("a.csv", b"a,b\n1,2,3\n", "Failed to parse a.csv as .csv file."),
        ("a.csv", b"user_id,item_id\n\xff\xfe,2\n", "Failed to parse a.csv as .csv file."),
        ("a.csv.gz", CSV, "Failed to parse a.csv.gz as .csv file."),
        ("a.csv.gz", gzip.compress(CSV, mtime=0)[:-20], "Failed to parse a.csv.gz as .csv file."),
        ("a.json", b"{", "Failed to parse a.json as .json file."),
        ("a.json", b"[" * 100_000, "Failed to parse a.json as .json file."),
        ("a.json", b'[{"a":1}, 7]', "Each record must be an object."),
        ("a.json", b'[{"a":1}', "Failed to parse a.json as .json file."),
        ("a.ndjson", b'{"a":1}\n{', "Failed to parse a.ndjson as .ndjson file."),
        ("a.parquet", b"PAR1nonsensePAR1", "Failed to parse a.parquet as .parquet file."),
        (
            "a.xlsx",
            b"x",
            ".xlsx file not supported. Supported file formats are "
            ".csv/.tsv/.json/.ndjson/.jsonl with gzip compression (.gz/.gzip).",
        ),
        ("data", b"x", "Suffix like .csv or .json.gzip required."),
        ("data.gz", b"x", "Suffix like .csv or .json.gzip required."),
        ("a.csv.zip", ZEROS, "Only .gzip or .gz compression are supported."),
        ("a.csv", ZEROS, "Failed to parse a.csv as .csv file."),
        (
            "a.tar.gz",
            LINK,
            ".tar file not supported. Supported file formats are "
            ".csv/.tsv/.json/.ndjson/.jsonl with gzip compression (.gz/.gzip).",
        ),
        ("a.csv.gz", LINK, "Failed to parse a.csv.gz as .csv file."),
    ],
)
async def test_a_bad_file_is_refused_and_nothing_is_kept(
    bench: Bench, name: str, content: bytes, message: str
) -> None:
    answer = await upload(bench, content, name)
    assert answer.status_code == 400
    assert answer.json()["file"] == [message]
    assert await store(bench).keys() == []
    assert await bench.emitted(DataFileChanged) == []


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        (
            b"stars\n1\n",
            [
                'Column "timestamp" not found in the upload file.',
                'Column "user_id" not found in the upload file.',
                'Column "item_id" not found in the upload file.',
            ],
        ),
        (
            b"user_id,item_id,timestamp\n1,2,2026-01-01\n1,2,soon\n1,2,later\n",
            [
                'Could not interpret "timestamp" as datetime.',
                'Column "timestamp" holds "soon" in row 2.',
            ],
        ),
        (
            b"user_id,item_id,timestamp\n1,2,3\n,2," + b"x" * 1000 + b"\n,,3\n",
            [
                'Could not interpret "timestamp" as datetime.',
                f'Column "timestamp" holds "{"x" * 40}…" in row 2.',
                'Column "user_id" is empty in 2 rows, first in row 2.',
                'Column "item_id" is empty in 1 rows, first in row 3.',
            ],
        ),
    ],
)
async def test_each_column_at_fault_is_named_with_its_first_row(
    bench: Bench, content: bytes, messages: list[str]
) -> None:
    answer = await upload(bench, content)
    assert (answer.status_code, answer.json()["file"]) == (400, messages)


async def test_absent_members_are_named(bench: Bench) -> None:
    answer = await upload(bench, None, project=None)
    assert answer.status_code == 400
    assert answer.json()["project"] == ["This field is required."]
    assert answer.json()["file"] == ["file is required."]
    letters = await upload(bench, CSV, project="x")
    assert letters.json()["project"] == ["A valid integer is required."]


async def test_only_multipart_is_taken(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as client:
        plain = await client.post(DATA, json={"project": 1})
        broken = await client.post(
            DATA, content=b"x", headers={"content-type": "multipart/form-data; boundary=b"}
        )
        unbound = await client.post(
            DATA, content=b"x", headers={"content-type": "multipart/form-data"}
        )
    assert (plain.status_code, broken.status_code, unbound.status_code) == (415, 400, 400)


async def test_a_preview_shows_what_was_sent(bench: Bench) -> None:
    file = (await upload(bench, CSV)).json()
    async with bench.as_caller(ADMIN) as client:
        found = (await client.get(f"{DATA}{file['id']}/preview/", params={"n_rows": 1})).json()
        wrong = await client.get(f"{DATA}{file['id']}/preview/", params={"n_rows": "abc"})
    assert found == {
        "columns": ["user_id", "item_id", "timestamp", "stars"],
        "rows": [[1, 10, "2026-01-01 10:00:00", 5]],
        "total_rows": 1,
    }
    assert (wrong.status_code, wrong.json()["n_rows"]) == (400, ["A valid integer is required."])


@pytest.mark.parametrize("verb", ["download_file", "download"])
async def test_a_download_returns_the_bytes(bench: Bench, verb: str) -> None:
    content = CSV + b"=cmd|' /C calc'!A0,1,2026-01-01,\n"
    file = (await upload(bench, content, 'Ä"x.csv')).json()
    async with bench.as_caller(key_of("read")) as client:
        answer = await client.get(f"{DATA}{file['id']}/{verb}/")
    assert answer.content == content
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")


async def test_an_unlinked_file_leaves_the_lists(bench: Bench) -> None:
    file = (await upload(bench, CSV)).json()
    async with bench.as_caller(ADMIN) as client:
        left = (await client.delete(f"{DATA}{file['id']}/unlink_file/")).json()
        assert (await client.get(f"{DATA}{file['id']}/")).status_code == 404
        assert (await client.get(DATA)).json()["count"] == 0
        assert (await client.get("/api/v1/project_summary/1/")).json()["n_data"] == 0
    assert (left["id"], left["file"], left["basename"], left["filesize"]) == (
        file["id"],
        None,
        None,
        None,
    )
    [_, changed] = await bench.emitted(DataFileChanged)
    assert changed.table_key is None
    await Sweeper(bench.database, store(bench)).sweep()
    assert await store(bench).keys() == []


async def test_a_deleted_file_is_gone_with_its_bytes(bench: Bench) -> None:
    file = (await upload(bench, CSV)).json()
    async with bench.as_caller(ADMIN) as client:
        assert (await client.delete(f"{DATA}{file['id']}/")).status_code == 204
        assert (await client.delete(f"{DATA}{file['id']}/")).status_code == 404
    assert [event.file_id for event in await bench.emitted(DataFileDeleted)] == [file["id"]]
    await Sweeper(bench.database, store(bench)).sweep()
    assert await store(bench).keys() == []


async def test_bytes_that_were_lost_are_told_of(bench: Bench) -> None:
    file = (await upload(bench, CSV)).json()
    blobs = store(bench)
    for key in await blobs.keys():
        await blobs.delete(key)
    async with bench.as_caller(ADMIN) as client:
        preview = await client.get(f"{DATA}{file['id']}/preview/")
        download = await client.get(f"{DATA}{file['id']}/download_file/")
    assert (preview.status_code, preview.json()["error"]) == (400, "Unable to read file")
    assert (download.status_code, download.json()["detail"]) == (404, "file deleted.")


async def test_lists_are_filtered_by_project(bench: Bench) -> None:
    file = (await upload(bench, CSV)).json()
    async with bench.as_caller(ADMIN) as client:
        mine = (await client.get(DATA, params={"project": 1})).json()
        none = (await client.get(DATA, params={"project": 2})).json()
    assert [each["id"] for each in mine["results"]] == [file["id"]]
    assert none["count"] == 0


ITEMS = b"item_id,title,price,new\nlamp,Red Lamp,9.50,true\nchair,,007,false\n"


async def test_item_metadata_fills_the_catalogue_of_the_default_project(bench: Bench) -> None:
    answer = await upload(bench, ITEMS, path=META)
    assert answer.status_code == 201
    assert answer.json()["valid_columns_list_json"] == ["title", "price", "new"]
    async with bench.as_caller(ADMIN) as client:
        found = (await client.get("/api/items")).json()["data"]
    assert {each["id"]: each["metadata"] for each in found} == {
        "lamp": {"title": "Red Lamp", "price": "9.50", "new": True},
        "chair": {"title": None, "price": "007", "new": False},
    }
    assert len(await bench.emitted(ItemChanged)) == 2


async def test_a_file_sent_again_changes_only_what_it_says_otherwise(bench: Bench) -> None:
    await upload(bench, ITEMS, path=META)
    async with bench.as_caller(ADMIN) as client:
        await client.patch("/api/items/lamp", json={"isActive": False})
        before = (await client.get("/api/items")).json()["data"]
        assert (await upload(bench, ITEMS, path=META)).status_code == 201
        assert (await client.get("/api/items")).json()["data"] == before
        await upload(bench, ITEMS.replace(b"Red", b"Blue").replace(b"true", b"TRUE"), path=META)
        [chair, lamp] = (await client.get("/api/items")).json()["data"]
    assert (lamp["metadata"]["title"], lamp["isActive"]) == ("Blue Lamp", False)
    assert lamp["revision"] > before[1]["revision"]
    assert chair == before[0]
    assert [each.item_id for each in await bench.emitted(ItemChanged)][2:] == ["lamp", "lamp"]


async def test_item_metadata_of_other_projects_is_only_a_file(bench: Bench) -> None:
    body = {"name": "p", "user_column": "u", "item_column": "item_id"}
    async with bench.as_caller(ADMIN) as client:
        project = (await client.post("/api/v1/project/", json=body)).json()
    assert (await upload(bench, ITEMS, path=META, project=project["id"])).status_code == 201
    assert await bench.emitted(ItemChanged) == []


@pytest.mark.parametrize(
    "content",
    [b"title\nx\n", b"item_id\n" + b"x" * 257 + b"\n", b"item_id,t\na,b\n\x01,c\n"],
)
async def test_items_that_cannot_be_refuse_the_whole_file(bench: Bench, content: bytes) -> None:
    answer = await upload(bench, content, path=META)
    assert answer.status_code == 400
    assert await bench.emitted(ItemChanged) == []
    assert await bench.emitted(DataFileChanged) == []


async def test_an_item_that_cannot_be_is_named_with_its_row(bench: Bench) -> None:
    answer = await upload(bench, b"item_id,t\na,b\n\x01,c\n", path=META)
    assert answer.json()["file"] == [
        'Column "item_id" holds "\\u0001", which is no id, in row 2.',
        "Control characters are not allowed.",
    ]


LARGE = [
    {"item_id": 18446744073709551617, "sku": "1.10", "gtin": 9007199254740993, "tags": ["a"]},
    {"item_id": 18446744073709551618, "sku": "1e5", "gtin": 9007199254740992, "tags": []},
]


async def test_what_is_uploaded_reaches_the_catalogue_as_it_was_written(bench: Bench) -> None:
    content = "\n".join(map(json.dumps, LARGE)).encode()
    assert (await upload(bench, content, "a.ndjson", path=META)).status_code == 201
    async with bench.as_caller(ADMIN) as client:
        found = (await client.get("/api/items")).json()["data"]
    rows = [{"item_id": int(each["id"]), **each["metadata"]} for each in found]
    assert rows == LARGE
    assert [each["id"] for each in found] == ["18446744073709551617", "18446744073709551618"]
    told = await bench.emitted(ItemChanged)
    assert [each.metadata for each in told] == [each["metadata"] for each in found]


async def test_a_preview_shows_large_numbers_whole(bench: Bench) -> None:
    rows = [{**row, "user_id": "u", "timestamp": 5} for row in LARGE]
    file = (await upload(bench, json.dumps(rows).encode(), "a.json")).json()
    async with bench.as_caller(ADMIN) as client:
        shown = (await client.get(f"{DATA}{file['id']}/preview/")).json()
        sent = (await client.get(f"{DATA}{file['id']}/download/")).content
    assert shown["rows"] == [
        ["18446744073709551617", "1.10", 9007199254740993, ["a"], "u", 5],
        ["18446744073709551618", "1e5", 9007199254740992, [], "u", 5],
    ]
    assert json.loads(sent) == rows


@pytest.mark.parametrize("column", ["user_id", "item_id"])
async def test_what_is_no_id_refuses_an_upload_and_is_named(bench: Bench, column: str) -> None:
    sound = {"user_id": "u", "item_id": "i", "timestamp": 5}
    for text in NO_IDS:
        content = "\n".join(json.dumps(row) for row in (sound, {**sound, column: text})).encode()
        answer = await upload(bench, content, "a.ndjson")
        assert answer.status_code == 400, ascii(text)
        where, *why = answer.json()["file"]
        if why:
            assert where.startswith(f'Column "{column}" holds "')
            assert where.endswith(", which is no id, in row 2.")
            assert why == [fault_in(text)]
        else:
            assert where == f'Column "{column}" is empty in 1 rows, first in row 2.'
            assert fault_in(text) == "This field may not be blank."
    assert await bench.emitted(DataFileChanged) == []


@pytest.mark.parametrize("path", [DATA, META])
async def test_any_id_may_be_uploaded(bench: Bench, path: str) -> None:
    rows = [{"user_id": each, "item_id": each, "timestamp": 5} for each in ODD_IDS]
    answer = await upload(bench, json.dumps(rows).encode(), "a.json", path=path)
    assert answer.status_code == 201, answer.text
    assert (await table_of(bench))["item_id"].to_list() == list(ODD_IDS)
