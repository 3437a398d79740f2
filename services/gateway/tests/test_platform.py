"""The platform as a whole: health, schema, index, operator's page."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis.testing import new_key_pair
from gateway.domain.schema import merge
from gateway.tests.stage import OPERATOR_PASSWORD, Heard, Recorder, Stage, answer, play

DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {
        "/api/v1/project/{id}": {"get": {"operationId": "get_project", "responses": {}}},
        "/api/billing/plans": {"get": {"operationId": "plans", "responses": {}}},
        "/livez": {"get": {"responses": {}}},
    },
    "components": {"schemas": {"Project": {"type": "object"}}},
}


async def _ready(heard: Heard) -> bytes:
    if heard.target == "/openapi.json":
        return answer(200, json.dumps(DOCUMENT).encode())
    return answer(200, b'{"ready": true, "version": "1.2.3", "lag": 4}')


async def test_health_is_a_word_and_on_request_a_list(stage: Stage) -> None:
    stage.recorder.reply = _ready
    client = stage.client()
    plain = await client.get("/health")
    assert (plain.status_code, plain.text) == (200, "Healthy")
    assert plain.headers["content-type"].startswith("text/plain")
    listed = (await client.get("/health", headers={"Accept": "application/json"})).json()
    assert listed["services"]["catalog"] == {"ready": True, "version": "1.2.3", "lag": 4}
    assert len(listed["services"]) == 5


async def test_a_missing_service_is_no_good_health(tmp_path: Path, keys: Path) -> None:
    async with Recorder.listening() as gone:
        pass
    async with play(tmp_path, keys, gone) as stage:
        answered = await stage.client().get("/health")
        assert (answered.status_code, answered.text) == (503, "Unhealthy")


async def test_ping_and_the_index_need_nobody(stage: Stage) -> None:
    client = stage.client()
    for path in ("/ping", "/api/v1/ping/", "/api/ping/"):
        assert (await client.get(path)).json() == {"status": "ok", "success": True}
    index = (await client.get("/api/v1/")).json()
    assert index["project"] == "http://gateway/api/v1/project/"


async def test_one_schema_tells_of_all_services(stage: Stage) -> None:
    stage.recorder.reply = _ready
    client = stage.client()
    as_yaml = await client.get("/api/v1/schema/")
    assert as_yaml.headers["content-type"].startswith("application/vnd.oai.openapi")
    found = yaml.safe_load(as_yaml.text)
    as_json = await client.get("/api/v1/schema/?format=json")
    assert as_json.headers["content-type"] == "application/vnd.oai.openapi+json"
    assert as_json.json() == found
    assert found["openapi"].startswith("3.0")
    assert "/livez" not in found["paths"]
    assert found["paths"]["/api/v1/project/{id}"]["get"]["security"][0] == {"apiKey": []}
    assert found["paths"]["/api/billing/plans"]["get"]["security"] == []
    assert "/api/auth/register" in found["paths"]
    schemes = found["components"]["securitySchemes"]
    assert schemes["apiKey"]["name"] == "X-API-Key"
    assert schemes["bearer"]["scheme"] == "bearer"


async def test_the_schema_is_made_once_until_a_service_changes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def counting(*documents: Any, **options: Any) -> Any:
        made.append(threading.current_thread() is threading.main_thread())
        return merge(*documents, **options)

    monkeypatch.setattr("gateway.api.schema.merge", counting)
    documents = {"kept": DOCUMENT}

    async def openapi(_heard: Heard) -> bytes:
        return answer(200, json.dumps(documents["kept"]).encode())

    stage.recorder.reply = openapi
    client = stage.client()
    for path in ("/api/v1/schema/", "/api/v1/schema/?format=json"):
        answers = await asyncio.gather(*(client.get(path) for _ in range(20)))
        assert len({each.content for each in answers}) == 1
    assert made == [False, False]  # one for each format, and never on the event loop
    asked = len(stage.recorder.heard)
    assert asked == 5

    documents["kept"] = {**DOCUMENT, "paths": {"/api/billing/plans": {"get": {}}}}
    stage.app.state.documents._ask_at = 0.0
    changed = (await client.get("/api/v1/schema/?format=json")).json()
    assert "/api/v1/project/{id}" not in changed["paths"]


async def test_an_answer_that_is_no_document_leaves_the_last_one(stage: Stage) -> None:
    stage.recorder.reply = _ready
    client = stage.client()
    before = (await client.get("/api/v1/schema/?format=json")).content
    for junk in (b"", b"[]", b"{", b'{"ready": true}'):

        async def reply(_heard: Heard, body: bytes = junk) -> bytes:
            return answer(200, body)

        stage.recorder.reply = reply
        stage.app.state.documents._ask_at = 0.0
        assert (await client.get("/api/v1/schema/?format=json")).content == before


async def test_services_that_are_away_are_not_asked_at_every_request(
    stage: Stage,
) -> None:
    async def gone(_heard: Heard) -> bytes:
        return answer(503)

    stage.recorder.reply = gone
    client = stage.client()
    answers = await asyncio.gather(*(client.get("/api/v1/schema/") for _ in range(20)))
    assert {each.status_code for each in answers} == {200}
    assert len(stage.recorder.heard) == 5


def test_schemas_of_one_name_stay_apart_and_become_older() -> None:
    body = {"$ref": "#/components/schemas/Item"}
    documents = {
        service: {
            "paths": {f"/{service}": {"get": {"operationId": "x", "body": body}}},
            "components": {
                "schemas": {
                    "Item": {
                        "properties": {
                            "const": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                            "other": {"anyOf": [body, {"type": "null"}]},
                            "kind": {"const": service},
                            "size": {"type": "integer", "exclusiveMinimum": 0},
                        }
                    }
                }
            },
        }
        for service in ("one", "two")
    }
    merged = merge(documents, version="1", door=lambda _service, _path: "members")
    assert merged["paths"]["/two"]["get"]["body"] == {"$ref": "#/components/schemas/TwoItem"}
    assert merged["paths"]["/two"]["get"]["operationId"] == "two_x"
    properties = merged["components"]["schemas"]["TwoItem"]["properties"]
    assert properties["const"] == {"type": "string", "nullable": True}
    assert properties["other"] == {
        "nullable": True,
        "allOf": [{"$ref": "#/components/schemas/TwoItem"}],
    }
    assert properties["kind"] == {"enum": ["two"]}
    assert properties["size"] == {"type": "integer", "minimum": 0, "exclusiveMinimum": True}


@pytest.mark.parametrize("page", ["swagger-ui", "redoc"])
async def test_the_pages_need_nothing_from_elsewhere(stage: Stage, page: str) -> None:
    client = stage.client()
    shown = await client.get(f"/api/v1/schema/{page}/")
    assert shown.status_code == 200
    assert "https://" not in shown.text
    asset = {"swagger-ui": "swagger-ui-bundle.js", "redoc": "redoc.standalone.js"}[page]
    assert asset in shown.text
    script = await client.get(f"/api/v1/schema/assets/{asset}")
    assert script.headers["content-type"].startswith("text/javascript")
    assert (await client.get("/api/v1/schema/assets/__init__.py")).status_code == 404


async def test_the_operators_page_is_for_the_operator(stage: Stage) -> None:
    stage.recorder.reply = _ready
    admin = await stage.admin()
    for client in (stage.client(), admin):
        shown = await client.get("/admin/")
        assert shown.status_code == 200
        assert "1.2.3" not in shown.text
    client = stage.client()
    wrong = await client.post("/admin/login", data={"username": "admin", "password": "x"})
    assert wrong.status_code == 401
    signed_in = await client.post(
        "/admin/login", data={"username": "admin", "password": OPERATOR_PASSWORD}
    )
    assert signed_in.status_code == 303
    shown = await client.get("/admin/")
    assert "1.2.3" in shown.text
    assert "script-src" not in shown.headers["content-security-policy"]


async def test_probes_reach_the_gateway_itself(stage: Stage) -> None:
    client = stage.client()
    assert (await client.get("/livez")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json()["ready"] is True
    assert "millrace_request_seconds" in (await client.get("/metrics")).text


async def test_a_new_assertion_key_makes_a_new_token_key(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    other = tmp_path / "keys"
    other.mkdir()
    private, public = new_key_pair()
    (other / "assertion.pem").write_bytes(private)
    (other / "assertion.pub.pem").write_bytes(public)
    async with play(tmp_path, keys, recorder) as stage:
        before = await stage.admin()
        assert (await before.get("/api/v1/auth/user/")).status_code == 200
        token = before.headers["authorization"]
    async with play(tmp_path, other, recorder) as stage:
        still = stage.client(Authorization=token)
        assert (await still.get("/api/v1/auth/user/")).status_code == 200
        assert (await stage.login())["access"]
