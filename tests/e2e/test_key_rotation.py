"""The platform's own keys are replaced while tenants use everything, and nobody notices."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from chassis.keys import private_keys, public_keys
from tests import local
from tests.e2e.conftest import Tenant
from tests.e2e.journey import configured, state_of, table, trained, uploaded
from tests.running import RunningStack, until

#: One path of each service behind the gateway.
PATHS = (
    "/api/items",
    "/api/v1/trained_model/",
    "/api/recommendations",
    "/api/v1/deployment_slot/",
    "/api/billing/usage",
)


@contextmanager
def _load(stack: RunningStack, tenant: Tenant) -> Iterator[Counter[tuple[str, int]]]:
    """Ask every service all the while; yield how often each path gave each status."""
    seen: Counter[tuple[str, int]] = Counter()
    over = threading.Event()

    def ask() -> None:
        headers = {"Authorization": f"Bearer {tenant.token}"}
        with local.Client(base_url=stack.base_url, headers=headers, timeout=30) as client:
            while not over.is_set():
                for path in PATHS:
                    seen[path, client.get(path).status_code] += 1

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield seen
    finally:
        over.set()
        asking.join()


def _held(stack: RunningStack, name: str) -> tuple[bytes, int, int]:
    """Return the key that signs, and how many private and public keys are held."""
    folder = Path(stack.home) / "keys"
    privates = private_keys((folder / f"{name}.pem").read_bytes())
    publics = public_keys((folder / f"{name}.pub.pem").read_bytes())
    return privates[0].public_key().public_bytes_raw(), len(privates), len(publics)


def _predicts(tenant: Tenant, model: int) -> bool:
    answer: httpx.Response = tenant.key_client.post(
        f"/inference/predict/{model}", json={"user_id": "u1", "cutoff": 5}
    )
    return answer.status_code == 200


@pytest.mark.parametrize("name", ["assertion", "artefact"])
def test_a_key_is_replaced_under_load_without_a_failed_request(
    stack: RunningStack, tenant: Tenant, name: str
) -> None:
    data, configuration = uploaded(tenant, table()), configured(tenant)
    old_model = trained(tenant, configuration=configuration, data=data)
    until(lambda: _predicts(tenant, old_model))
    old_key, *_ = _held(stack, name)
    with _load(stack, tenant) as seen:
        until(lambda: len(seen) >= len(PATHS))
        said = stack.command("rotate-key", name, "--grace", "5")
        before = sum(seen.values())
        until(lambda: sum(seen.values()) > before + len(PATHS))
    assert "is forgotten" in said
    assert {status for _path, status in seen} == {200}, seen
    assert _held(stack, name) != (old_key, 1, 1)
    assert _held(stack, name)[1:] == (1, 1)
    new_model = trained(tenant, configuration=configuration, data=data)
    until(lambda: _predicts(tenant, new_model))
    assert _predicts(tenant, old_model)
    assert state_of(tenant, old_model)["filesize"]
