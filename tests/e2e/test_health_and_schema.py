"""The platform as a whole: how it is, what it offers, and where that is written."""

import re
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate

from tests import local
from tests.running import RunningStack

SERVICES = {"catalog", "training", "inference", "billing", "experiments"}


@pytest.fixture(scope="module")
def schema(stack: RunningStack) -> dict[str, Any]:
    answer = local.get(f"{stack.base_url}/api/v1/schema/?format=json", timeout=30)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def test_health_is_a_word_for_probes_and_a_table_for_machines(visitor: httpx.Client) -> None:
    plain = visitor.get("/health")
    assert (plain.status_code, plain.text) == (200, "Healthy")
    assert plain.headers["content-type"].startswith("text/plain")
    told = visitor.get("/health", headers={"Accept": "application/json"}).json()
    assert told["status"] == "Healthy"
    assert set(told["services"]) >= SERVICES
    assert all(each["ready"] for each in told["services"].values())


@pytest.mark.parametrize("path", ["/ping", "/api/v1/ping/", "/api/ping/"])
def test_ping_answers_for_every_client(path: str, visitor: httpx.Client) -> None:
    assert {"status": "ok", "success": True}.items() <= visitor.get(path).json().items()


def test_the_schema_is_valid_openapi(schema: dict[str, Any]) -> None:
    validate(schema)


def test_the_schema_tells_of_every_service(schema: dict[str, Any]) -> None:
    paths = " ".join(schema["paths"])
    for known in ("project", "trained_model", "recommend", "billing/usage", "ab_test", "api_keys"):
        assert known in paths


def test_no_two_operations_share_an_id(schema: dict[str, Any]) -> None:
    verbs = {"get", "post", "put", "patch", "delete"}
    ids = [
        operation["operationId"]
        for path in schema["paths"].values()
        for verb, operation in path.items()
        if verb in verbs and "operationId" in operation
    ]
    assert len(ids) == len(set(ids))


def test_the_schema_is_yaml_unless_asked_otherwise(visitor: httpx.Client) -> None:
    answer = visitor.get("/api/v1/schema/")
    assert answer.headers["content-type"].startswith("application/vnd.oai.openapi")
    assert "json" not in answer.headers["content-type"]
    assert answer.text.lstrip().startswith("openapi:")


@pytest.mark.parametrize("page", ["swagger-ui", "redoc"])
def test_pages_need_nothing_from_elsewhere(page: str, visitor: httpx.Client) -> None:
    answer = visitor.get(f"/api/v1/schema/{page}/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    linked = re.findall(r"""(?:src|href)=["']([^"']+)["']""", answer.text)
    assert linked
    assert not [link for link in linked if link.startswith(("http:", "https:", "//"))]
    for link in linked:
        asset = visitor.get(str(httpx.URL(str(answer.url)).join(link)))
        assert asset.status_code == 200, link


def test_an_unknown_path_is_a_problem(visitor: httpx.Client) -> None:
    answer = visitor.get("/api/v1/nothing-here")
    assert answer.status_code in {401, 404}
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_root_of_the_api_lists_its_resources(visitor: httpx.Client) -> None:
    found = visitor.get("/api/v1/").json()
    assert {"project", "trained_model", "ab_test"} <= set(found)


def test_the_operators_page_asks_who_is_there(visitor: httpx.Client) -> None:
    answer = visitor.get("/admin/", follow_redirects=True)
    assert answer.status_code in {200, 401}
    assert answer.headers["content-type"].startswith("text/html")


def test_a_services_own_pages_are_not_forwarded(visitor: httpx.Client) -> None:
    for path in ("/openapi.json", "/docs", "/api/v1/../metrics"):
        assert visitor.get(path).status_code in {400, 401, 404}
