"""No input gives a 5xx: seeded property-based calls to every operation of the merged schema."""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok

from tests.e2e.conftest import Tenant
from tests.running import RunningStack

#: Calls per operation; with some hundred operations this stays within a few minutes.
EXAMPLES = 12
#: These end the session or the key that the fuzzing itself uses.
SPARED = ("/logout", "/revoke", "/password", "/deactivate", "/toggle-status")


@pytest.fixture(scope="module")
def schema(stack: RunningStack) -> dict[str, Any]:
    answer = httpx.get(f"{stack.base_url}/api/v1/schema/?format=json", timeout=30)
    document: dict[str, Any] = answer.raise_for_status().json()
    return document


def test_the_schema_lists_every_service(schema: dict[str, Any]) -> None:
    paths = " ".join(schema["paths"])
    for known in ("project", "recommend", "trained_model", "ab_test", "billing/usage", "api_keys"):
        assert known in paths


def test_no_call_gives_a_server_error(
    stack: RunningStack, schema: dict[str, Any], tenant: Tenant
) -> None:
    loaded = schemathesis.openapi.from_dict(schema)
    failures: list[str] = []
    for result in loaded.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if any(spared in operation.path for spared in SPARED):
            continue
        fuzz(operation, stack.base_url, tenant, failures)
    assert failures == []


def fuzz(operation: Any, base_url: str, tenant: Tenant, failures: list[str]) -> None:
    """Call one operation with what its schema allows, and note every answer of 500 and above."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def call(case: Any) -> None:
        headers = {"Authorization": tenant.client.headers["Authorization"]}
        response = case.call(base_url=base_url, headers=headers, timeout=30)
        if response.status_code >= 500:
            failures.append(f"{case.method} {case.formatted_path} {response.status_code}")

    call()
