"""Whatever is sent: a 4xx problem or no harm, never a 5xx, and nothing changed."""

import gzip
import io
import json
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest

from contracts.http import OPERATIONS, Operation, Status
from tests import local
from tests.e2e.conftest import Tenant, lasting
from tests.e2e.estate import Estate, estate_of
from tests.e2e.journey import TRAINING_LIMIT, is_problem
from tests.running import RunningStack, until

JSON = {"Content-Type": "application/json"}
HEAD = b"user_id,item_id,timestamp\n"
BODIES = {
    "nothing": b"",
    "half": b"{",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "a lone surrogate": b'{"name": "\\ud800", "userId": "\\ud800", "email": "\\ud800@a.b"}',
    "NUL": b'{"name": "a\\u0000b", "userId": "a\\u0000b", "id": "a\\u0000b"}',
    "NaN": b'{"value": NaN, "count": Infinity}',
    "a huge number": b'{"id": 1' + b"0" * 400 + b', "project": 1e400, "count": 1e999}',
    "twice the same name": b'{"name": "a", "name": 7}',
    "deep": b'{"metadata": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}",
    "wrong types": b'{"name": {}, "project": [], "userId": 1, "count": "x", "events": 1}',
    "not gzip": b"\x1f\x8b\x08junk",
}


@pytest.fixture(scope="module")
def owner(stack: RunningStack) -> Iterator[Tenant]:
    yield from lasting(stack)


@pytest.fixture(scope="module")
def estate(owner: Tenant) -> Estate:
    """Return what a tenant has, with all work on it done."""
    estate = estate_of(owner)
    for kind in ("parameter_tuning_job", "retraining_run"):
        path = f"/api/v1/{kind}"
        until(partial(is_over, owner, f"{path}/{estate.ids[path]}/"), within=TRAINING_LIMIT)
    until(lambda: summary(owner)["n_models"] == numbers(owner)["trained_model"])
    return estate


def summary(tenant: Tenant) -> dict[str, Any]:
    answer = tenant.client.get(f"/api/v1/project_summary/{tenant.project}/")
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def is_over(tenant: Tenant, path: str) -> bool:
    found = tenant.client.get(path).raise_for_status().json()
    return found["status"] not in {"PENDING", "RUNNING"}


@pytest.fixture(scope="module")
def writes(stack: RunningStack, estate: Estate) -> list[tuple[str, str]]:
    """Return method and path of every operation that reads a body, at things that are there."""
    answer = local.get(f"{stack.base_url}/api/v1/schema/?format=json", timeout=30)
    document = answer.raise_for_status().json()["paths"]
    chosen = [each for each in SERVED if each.path not in OBLIGING and reads_a_body(each, document)]
    found = [(each.method, estate.path(each)) for each in chosen]
    assert len(found) > 60
    return found


def reads_a_body(operation: Operation, document: dict[str, Any]) -> bool:
    """Tell whether an operation reads a body, as the schema has it under whichever names."""
    if operation.method not in {"POST", "PUT", "PATCH"}:
        return False
    plain = re.sub(r"{[^}]*}", "{}", operation.path)
    [described] = [
        each[operation.method.lower()]
        for path, each in document.items()
        if re.sub(r"{[^}]*}", "{}", path) == plain and operation.method.lower() in each
    ]
    return "requestBody" in described


SERVED = [each for each in OPERATIONS if each.status is Status.SERVED]
#: Whatever comes, even nothing, orders new recommendations in place of those that are there.
OBLIGING = {"/api/recommendations/generate"}
#: Operations that show one thing.
SHOWING = [each for each in SERVED if each.method == "GET" and each.path.endswith("}")]
#: What says when something was looked at or touched last, if only to write the same again.
MOMENTS = {"updated_at", "updatedAt", "last_used_at", "last_login", "lastActiveAt", "revision"}


def state(estate: Estate) -> dict[str, Any]:
    """Return everything a tenant has: how much of each kind, and each thing that has an id."""
    paths = ["/api/v1/auth/user", "/api/billing/current", *map(estate.path, SHOWING)]
    found: dict[str, Any] = dict(numbers(estate.tenant))
    for path in paths:
        shown = estate.tenant.client.get(path).raise_for_status().json()
        found[path] = {name: shown[name] for name in shown.keys() - MOMENTS}
    return found


def numbers(tenant: Tenant) -> dict[str, int]:
    """Return how much a tenant has of everything."""
    kinds = ("project", "training_data", "item_meta_data", "split_config", "evaluation_config")
    more = ("model_configuration", "trained_model", "parameter_tuning_job", "deployment_slot")
    rest = ("ab_test", "api_keys", "retraining_schedule", "retraining_run", "conversion_event")
    found = {
        kind: tenant.client.get(f"/api/v1/{kind}/").raise_for_status().json()["count"]
        for kind in (*kinds, *more, *rest)
    }
    found["items"] = tenant.client.get("/api/items").json()["total"]
    found["people"] = tenant.client.get("/api/users").json()["total"]
    return found


#: Where everything may be left out, so that any object makes something: it is taken away again.
CAREFREE = ("/api/v1/split_config", "/api/v1/evaluation_config")


@pytest.mark.parametrize("kind", BODIES)
def test_no_body_breaks_anything(kind: str, estate: Estate, writes: list[tuple[str, str]]) -> None:
    client, before = estate.tenant.client, state(estate)
    for method, path in writes:
        answer = client.request(method, path, content=BODIES[kind], headers=JSON)
        if answer.status_code == 201 and path in CAREFREE:
            client.delete(f"{path}/{answer.json()['id']}/").raise_for_status()
        elif answer.status_code != 200:  # what changes nothing is no error
            assert is_refusal(answer), (method, path, answer.status_code, answer.text)
    assert state(estate) == before


def is_refusal(answer: httpx.Response) -> bool:
    kind = answer.headers.get("content-type")
    return 400 <= answer.status_code < 500 and kind == "application/problem+json"


HUGE: dict[str, tuple[str, bytes, set[int]]] = {
    "above the limit": ("application/json", b'{"a": "%s"}' % (b"x" * 11 * 2**20), {413}),
    "brackets": ("application/json", b"[" * (10 * 2**20 - 10), {400, 413, 415, 422}),
    "a form above the limit": ("multipart/form-data; boundary=x", b"x" * 11 * 2**20, {415, 400}),
}


@pytest.mark.parametrize("kind", HUGE)
def test_no_size_breaks_anything(kind: str, estate: Estate, writes: list[tuple[str, str]]) -> None:
    before = state(estate)
    media_type, body, statuses = HUGE[kind]

    def ask(write: tuple[str, str]) -> httpx.Response:
        headers = {"Content-Type": media_type}
        return estate.tenant.client.request(*write, content=body, headers=headers)

    with ThreadPoolExecutor(4) as pool:
        for write, answer in zip(writes, pool.map(ask, writes), strict=True):
            assert is_refusal(answer), (write, answer.text)
            assert answer.status_code in statuses, (write, answer.text)
    assert state(estate) == before


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded; a"]
)
def test_another_media_type_is_refused(
    kind: str, estate: Estate, writes: list[tuple[str, str]]
) -> None:
    before = state(estate)
    for method, path in writes:
        headers = {"Content-Type": kind}
        answer = estate.tenant.client.request(method, path, content=b"<a/>", headers=headers)
        assert is_problem(answer, 415), (method, path, answer.text)
    assert state(estate) == before


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/project/%00/",
        "/api/v1/project/9999999999999999999999999/",
        "/api/v1/project/-1/",
        "/api/v1/project/1e3/",
        "/api/v1/project/..%2f..%2fetc%2fpasswd",
        "/api/items/..%2f..%2f..%2fetc%2fpasswd",
        "/api/items/%ff%fe",
        "/api/v1/project/?id=abc",
        "/api/v1/project/?id=99999999999999999999",
        "/api/v1/project/?page=-1",
        "/api/v1/project/?page=99999999999999999999",
        "/api/v1/project/?name=%00",
        "/api/v1/project/?name=%ff",
        "/api/items?search=%00",
        "/api/items?page=99999999999999999999",
        "/api/v1/training_data/1/preview/?n_rows=abc",
        "/api/users/not-a-uuid",
        "/api/v1/conversion_event/?event_type=%00",
        "/api/v1/jobs/%00",
        "/" + "a" * 5000,
    ],
    ids=lambda path: path[:48],
)
def test_no_path_breaks_anything(path: str, owner: Tenant) -> None:
    answer = owner.client.get(path)
    assert answer.status_code < 500, answer.text
    assert "root:" not in answer.text


def upload(
    tenant: Tenant, content: bytes, *, name: str = "a.csv", kind: str = "training_data"
) -> httpx.Response:
    return tenant.client.post(
        f"/api/v1/{kind}/", data={"project": tenant.project}, files={"file": (name, content)}
    )


def zipped(*members: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def linked() -> bytes:
    """Return an archive whose only member is a link to a secret."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        member = tarfile.TarInfo("a.csv")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    return stream.getvalue()


def bomb(*, megabytes: int) -> bytes:
    """Return a gzip stream that unpacks to a thousand times its size."""
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(b"\0" * 1024 * 1024) for _ in range(megabytes)]
    return b"".join([*parts, packer.flush()])


REFUSED_FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a gzip bomb": ("a.csv.gz", lambda: bomb(megabytes=600)),
    "a zip of zeros": ("a.zip", lambda: zipped(("a.csv", b"\0" * 10_000_000))),
    "a zip called gz": ("a.csv.gz", lambda: zipped(("../../a.csv", HEAD))),
    "a link in an archive": ("a.csv.gz", linked),
    "text called gz": ("a.csv.gz", lambda: HEAD + b"u,i,2026-01-01\n"),
    "gzip of gzip": ("a.csv.gz", lambda: gzip.compress(gzip.compress(HEAD))),
    "a cut gzip": ("a.csv.gz", lambda: gzip.compress(HEAD * 1000)[:-20]),
    "very many columns": ("a.csv", lambda: b",".join(b"c%d" % n for n in range(50_000)) + b"\n"),
    "one line without end": ("a.csv", lambda: b"x" * 20_000_000),
    "binary": ("a.csv", lambda: bytes(range(256)) * 1000),
    "invalid UTF-8": ("a.csv", lambda: HEAD + b"\xff\xfe,i,2026-01-01\n"),
    "an open quote": ("a.csv", lambda: HEAD + b'"u,i,2026-01-01\n'),
    "deep JSON": ("a.json", lambda: b"[" * 1_000_000),
    "JSON of something else": ("a.json", lambda: json.dumps({"a": [1, {"b": 2}]}).encode()),
    "no name": ("a", lambda: HEAD),
    "a program": ("a.exe", lambda: b"MZ"),
}


@pytest.mark.parametrize("kind", REFUSED_FILES)
def test_no_file_breaks_anything(kind: str, owner: Tenant) -> None:
    before = numbers(owner)
    name, content = REFUSED_FILES[kind]
    for resource in ("training_data", "item_meta_data"):
        answer = upload(owner, content(), name=name, kind=resource)
        assert is_problem(answer, answer.status_code)
        assert 400 <= answer.status_code < 500
    assert numbers(owner) == before


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/a.csv",
        "..\\..\\a.csv",
        "/etc/a.csv",
        "a\x01b.csv",
        "ü" * 300 + ".csv",
        "-r.csv",
    ],
    ids=lambda name: name[:16].encode("unicode_escape").decode(),
)
def test_a_files_name_is_no_path(name: str, owner: Tenant, stack: RunningStack) -> None:
    answer = upload(owner, HEAD + b"u,i,2026-01-01\n", name=name)
    assert answer.status_code in {201, 400}
    if answer.status_code == 201:
        shown = answer.json()
        assert not {"/", "\\"} & set(shown["basename"])
        assert ".." not in shown["file"]
        path = f"/api/v1/training_data/{shown['id']}"
        download = owner.client.get(f"{path}/download_file/")
        assert (
            "/" not in download.headers["content-disposition"].split("filename=")[1].split(";")[0]
        )
        assert owner.client.delete(f"{path}/").status_code == 204
    kept = {path.name for path in stack.home.iterdir()}
    assert "etc" not in kept
    assert "a.csv" not in kept


def test_a_formula_is_text(owner: Tenant) -> None:
    content = b'item_id,title\n=1+1,"=HYPERLINK(""http://a"")"\n'
    made = upload(owner, content, kind="item_meta_data")
    assert made.status_code == 201
    path = "/api/items/%3D1%2B1"
    until(lambda: owner.client.get(path).status_code == 200)
    found: dict[str, Any] = owner.client.get(path).json()
    assert found["metadata"]["title"] == '=HYPERLINK("http://a")'


def test_a_broken_form_is_refused(owner: Tenant) -> None:
    kinds = (
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=x",
    )
    for kind in kinds:
        answer = owner.client.post(
            "/api/v1/training_data/", content=b"--x\r\njunk", headers={"Content-Type": kind}
        )
        assert 400 <= answer.status_code < 500


def test_two_things_of_one_name_are_one(owner: Tenant) -> None:
    item = {"id": "twice", "metadata": {}}
    assert owner.client.post("/api/items", json=item).status_code == 201
    assert is_problem(owner.client.post("/api/items", json=item), 409)
    body = {"project": owner.project, "name": "twice", "scopes": ["read"]}
    assert owner.client.post("/api/v1/api_keys/", json=body).status_code == 201
    assert owner.client.post("/api/v1/api_keys/", json=body).status_code in {400, 409}


def test_headers_that_lie_are_refused_or_harmless(owner: Tenant) -> None:
    item = {"id": "lies", "metadata": {}}
    for headers in (
        {"Millrace-Assertion": "e30.e30.e30"},
        {"X-Forwarded-Host": "evil.example.com"},
        {"traceparent": "00-zz-zz-zz"},
        {"Idempotency-Key": "x" * 5000},
        {"X-HTTP-Method-Override": "DELETE"},
    ):
        answer = owner.client.post("/api/v1/interactions", json=item, headers=headers)
        assert 400 <= answer.status_code < 500
        assert owner.client.get("/api/items", headers=headers).status_code < 500
