"""HTTP itself, over the whole ledger: HEAD, OPTIONS, forms, hosts, and clients that leave."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from contracts.http import OPERATIONS, Door, Operation, Status
from tests.e2e.conftest import Tenant, lasting
from tests.e2e.journey import configured, is_problem, table, uploaded
from tests.running import RunningStack, until

SERVED = [each for each in OPERATIONS if each.status is Status.SERVED and each.method != "WS"]
READS = [each for each in SERVED if each.method == "GET"]
PATHS = sorted({each.path for each in SERVED})
#: Whatever the moment of the request is in.
PASSING = {"date", "ratelimit-remaining", "ratelimit-reset", "content-length"}
#: Read by hand: a body without a media type is what it should be.
BY_HAND = ("/api/v1/interactions", "/api/v1/recommend", "/api/v1/similar", "/inference/predict")
FILES = {"/api/v1/training_data", "/api/v1/item_meta_data"}
FORMS = {
    "application/x-www-form-urlencoded": b"name=a&project=1&user_column=u&item_column=i",
    "multipart/form-data; boundary=x": b'--x\r\ncontent-disposition: form-data; name="name"\r\n\r\n'
    b"a\r\n--x--\r\n",
    "text/plain": b"{}",
    "": b"{}",
}


@dataclass(frozen=True)
class Shop:
    """A tenant with a few things that can be read."""

    tenant: Tenant
    ids: dict[str, str]

    def path(self, path: str) -> str:
        """Return a path of the ledger to a thing of the tenant's, or to what nobody has."""
        prefix = path.partition("/{")[0]
        return re.sub(r"{[^}]*}", self.ids.get(prefix, "999999"), path)


@pytest.fixture(scope="module")
def owner(stack: RunningStack) -> Iterator[Tenant]:
    yield from lasting(stack)


@pytest.fixture(scope="module")
def shop(owner: Tenant) -> Shop:
    client = owner.client
    me = client.get("/api/v1/auth/user/").json()
    client.post("/api/items", json={"id": "mine", "metadata": {}}).raise_for_status()
    key = client.get("/api/v1/api_keys/").json()["results"][0]
    ids = {
        "/api/v1/project": owner.project,
        "/api/v1/project_summary": owner.project,
        "/api/v1/training_data": uploaded(owner, table()),
        "/api/v1/model_configuration": configured(owner),
        "/api/v1/api_keys": key["id"],
        "/api/v1/users": me["pk"],
        "/api/users": me["uid"],
        "/api/items": "mine",
    }
    return Shop(owner, {path: str(value) for path, value in ids.items()})


def lasting_headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in PASSING}


def test_head_is_get_without_a_body(shop: Shop) -> None:
    found = set()
    for operation in READS:
        path = shop.path(operation.path)
        read, asked = shop.tenant.client.get(path), shop.tenant.client.head(path)
        assert asked.status_code == read.status_code, path
        assert asked.content == b"", path
        sized = {name for name in ("transfer-encoding",) if name in read.headers}
        assert lasting_headers(asked).keys() == lasting_headers(read).keys() - sized, path
        assert asked.headers.get("content-type") == read.headers.get("content-type"), path
        if read.is_success and operation.door is not Door.PUBLIC:
            assert asked.headers.get("content-length") == read.headers.get("content-length")
        found.add(read.status_code)
    assert found >= {200, 404}


def test_head_tells_how_long_a_download_is(shop: Shop) -> None:
    path = shop.path("/api/v1/training_data/{id}/download_file")
    told = shop.tenant.client.head(path)
    assert told.headers["content-length"] == str(len(table().encode()))
    assert len(shop.tenant.client.get(path).content) == len(table().encode())


def test_head_refuses_strangers(visitor: httpx.Client, shop: Shop) -> None:
    for operation in READS:
        status = visitor.head(shop.path(operation.path)).status_code
        assert (status == 401) == (operation.door is not Door.PUBLIC), operation.path


def test_head_and_options_use_nothing_up(shop: Shop) -> None:
    usage = shop.tenant.client.get("/api/billing/usage").json()
    for path in PATHS:
        shop.tenant.client.head(shop.path(path))
        shop.tenant.client.options(shop.path(path))
    assert shop.tenant.client.get("/api/billing/usage").json() == usage


def test_options_tells_what_a_path_takes(shop: Shop, visitor: httpx.Client) -> None:
    for path in PATHS:
        here = [each for each in SERVED if each.path == path]
        told = shop.tenant.client.options(shop.path(path))
        assert told.status_code in {200, 204}, path
        allowed = set(told.headers["allow"].split(", "))
        assert allowed >= {each.method for each in here} | {"OPTIONS"}, path
        if told.status_code == 200:
            assert told.json().keys() == {"name", "description", "renders", "parses", "actions"}
        is_open = any(each.door is Door.PUBLIC for each in here)
        stranger = visitor.options(shop.path(path))
        assert stranger.status_code == (told.status_code if is_open else 401), path
        refused = shop.tenant.client.request("TRACE", shop.path(path))
        assert is_problem(refused, 405), path
        assert set(refused.headers["allow"].split(", ")) == allowed, path


def test_options_of_a_resource_is_what_recotem_tells(owner: Tenant) -> None:
    told = owner.client.options("/api/v1/project/").json()
    assert told["name"] == "Project List"
    assert told["renders"] == told["parses"] == ["application/json"]
    fields = told["actions"]["POST"]
    assert (fields["name"]["type"], fields["name"]["required"]) == ("string", True)
    assert (fields["id"]["type"], fields["id"]["read_only"]) == ("integer", True)
    upload = owner.client.options("/api/v1/training_data/").json()
    assert upload["parses"] == ["multipart/form-data"]
    assert upload["actions"]["POST"]["file"]["type"] == "file upload"


def test_the_index_lists_what_its_reader_can_list(stack: RunningStack, owner: Tenant) -> None:
    for client in (owner.client, owner.key_client):
        found = client.get("/api/v1/").raise_for_status().json()
        assert found
        for name, address in found.items():
            assert address == f"{stack.base_url}/api/v1/{name}/"
            assert client.get(address).status_code == 200, name


@pytest.mark.parametrize("kind", FORMS)
def test_a_form_is_refused_wherever_json_is_read(
    kind: str, shop: Shop, stack: RunningStack, visitor: httpx.Client
) -> None:
    document = visitor.get("/api/v1/schema/?format=json").raise_for_status().json()["paths"]
    client, before = shop.tenant.client, numbers(shop.tenant.client)
    headers = {"Content-Type": kind} if kind else {}
    asked = 0
    for operation in SERVED:
        if not reads_json(operation, document):
            continue
        path = shop.path(operation.path)
        answer = client.request(operation.method, path, content=FORMS[kind], headers=headers)
        if kind or not path.startswith(BY_HAND):
            assert is_problem(answer, 415), (operation, answer.text)
            assert "application/json" in answer.json()["detail"] or kind.startswith("multipart")
            asked += 1
    assert asked > 40
    assert numbers(client) == before


def reads_json(operation: Operation, document: dict[str, Any]) -> bool:
    plain = re.sub(r"{[^}]*}", "{}", operation.path)
    method = operation.method.lower()
    return any(
        "application/json" in each[method].get("requestBody", {}).get("content", {})
        for path, each in document.items()
        if re.sub(r"{[^}]*}", "{}", path) == plain and method in each
    )


def numbers(client: httpx.Client) -> dict[str, int]:
    kinds = ("project", "training_data", "item_meta_data", "split_config", "evaluation_config")
    more = ("model_configuration", "trained_model", "deployment_slot", "ab_test", "api_keys")
    found = {
        kind: client.get(f"/api/v1/{kind}/").raise_for_status().json()["count"]
        for kind in (*kinds, *more)
    }
    found["items"] = client.get("/api/items").json()["total"]
    found["people"] = client.get("/api/users").json()["total"]
    return found


def test_links_repeat_the_host_and_nothing_else(owner: Tenant) -> None:
    for number in range(21):
        body = {"name": f"p{number}", "user_column": "u", "item_column": "i"}
        owner.client.post("/api/v1/project/", json=body).raise_for_status()
    for host in ("shop.example:8443", "[::1]:8080", "web_1"):
        headers = {"Host": host, "X-Forwarded-Host": "evil.test"}
        found = owner.client.get("/api/v1/project/", headers=headers).raise_for_status().json()
        assert found["next"] == f"http://{host}/api/v1/project/?page=2"
    for host in ("evil/..", "a b", "[::1", "a:99999", "user@x", ""):
        for path in ("/api/v1/project/", "/api/v1/", "/health"):
            answer = owner.client.get(path, headers={"Host": host})
            assert is_problem(answer, 400), (host, path)


def exchanged(port: int, sent: bytes) -> bytes:
    """Send bytes and return everything that came."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_no_process_answers_in_plain_text_what_is_no_http(stack: RunningStack) -> None:
    ports = {line["port"] for line in stack.status().values() if line["lag"] is not None}
    assert len({stack.port, *ports}) >= 6
    with quiet(stack, "gateway", "catalog", "training", "inference", "billing", "experiments"):
        for port in {stack.port, *ports}:
            for sent in (b"hello\r\n\r\n", b"GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n"):
                head, _, body = exchanged(port, sent).partition(b"\r\n\r\n")
                assert b"application/problem+json" in head, port
                assert json.loads(body)["code"] == "INVALID_REQUEST"
                assert int(json.loads(body)["traceId"], 16) > 0


@contextmanager
def quiet(stack: RunningStack, *services: str) -> Iterator[None]:
    """Fail where a service logs an error, or any traceback, in the block."""
    logs = [
        path
        for path in (stack.home / "logs").iterdir()
        if re.sub(r"-\d+$", "", path.stem) in services
    ]
    assert len(logs) >= len(services)
    before = {path: path.stat().st_size for path in logs}
    yield
    for path, size in before.items():
        said = path.read_bytes()[size:].decode()
        assert "Traceback" not in said, said
        assert '"level": "ERROR"' not in said, said


BEGUN = {
    "/api/v1/training_data/": ("multipart/form-data; boundary=x", b"user_id,item_id\n" * 50_000),
    "/api/v1/item_meta_data/": ("multipart/form-data; boundary=x", b"item_id,title\n" * 50_000),
    "/api/items": ("application/json", b'{"id": "half", "metadata": {'),
    "/api/v1/interactions/batch": ("application/json", b'{"interactions": ['),
    "/api/v1/users/": ("application/json", b'{"email": '),
}
PARTS = (
    b'--x\r\ncontent-disposition: form-data; name="project"\r\n\r\n%d\r\n'
    b'--x\r\ncontent-disposition: form-data; name="file"; filename="half.csv"\r\n\r\n'
)


@pytest.mark.parametrize("framing", ["content-length: 9000000", "transfer-encoding: chunked"])
def test_who_leaves_in_the_middle_leaves_nothing(
    framing: str, stack: RunningStack, owner: Tenant, visitor: httpx.Client
) -> None:
    before, gone = numbers(owner.client), given_up(visitor)
    with quiet(stack, "gateway", "catalog"):
        for path, (kind, content) in BEGUN.items():
            body = PARTS % owner.project + content if "multipart" in kind else content
            leave(stack.port, owner, path, kind, framing, body)
        until(lambda: given_up(visitor) >= gone + len(BEGUN))
    assert numbers(owner.client) == before


def leave(port: int, owner: Tenant, path: str, kind: str, framing: str, body: bytes) -> None:
    """Send the beginning of a request, and go."""
    lines = [f"POST {path} HTTP/1.1", "host: a", f"authorization: Bearer {owner.token}"]
    head = "\r\n".join([*lines, f"content-type: {kind}", framing, "", ""]).encode()
    if "chunked" in framing:
        body = b"%x\r\n%s\r\n" % (len(body), body)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sendall(head + body)


def given_up(visitor: httpx.Client) -> float:
    """Return how many requests the gateway has seen that their clients gave up."""
    text = visitor.get("/metrics").raise_for_status().text
    found = re.findall(r'millrace_request_seconds_count{[^}]*status="499"[^}]*} (\S+)', text)
    return sum(map(float, found))
