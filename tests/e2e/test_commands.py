"""What an operator asks a running stack: an assertion for one service, one trace as a tree."""

from secrets import token_hex

from tests import local
from tests.e2e.conftest import Tenant
from tests.running import RunningStack, until


def test_an_assertion_opens_a_service_that_refuses_everybody_else(
    stack: RunningStack, tenant: Tenant
) -> None:
    catalog = f"http://127.0.0.1:{stack.status()['catalog']['port']}/api/v1/project/"
    assertion = stack.command("assertion", typed=tenant.api_key).strip()
    assert local.get(catalog).status_code == 401
    assert local.get(catalog, headers={"X-API-Key": tenant.api_key}).status_code == 401
    answer = local.get(catalog, headers={"Millrace-Assertion": assertion})
    assert [project["id"] for project in answer.json()["results"]] == [tenant.project]


def test_one_trace_leads_from_the_call_to_its_effects(stack: RunningStack, tenant: Tenant) -> None:
    trace_id = token_hex(16)
    answer = tenant.key_client.post(
        "/api/v1/interactions",
        json={"userId": "u1", "itemId": "i1", "interactionType": "click"},
        headers={"traceparent": f"00-{trace_id}-{token_hex(8)}-01"},
    )
    assert answer.status_code == 201

    def services() -> bool:
        tree = stack.command("trace", trace_id) if written(stack, trace_id) else ""
        return all(name in tree for name in ("gateway", "catalog", "inference", "billing"))

    until(services, every=0.5)


def written(stack: RunningStack, trace_id: str) -> bool:
    files = (stack.home / "traces").glob("*.jsonl")
    return any(trace_id in file.read_text() for file in files)
