"""A backup taken under load, put back into an empty folder, holds everything that was answered."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import local
from tests.e2e.conftest import PASSWORD, Tenant, registered
from tests.e2e.journey import interact, recommended, slot, with_model
from tests.running import RunningStack, until

#: A copy of a small stack takes seconds.
LIMIT = 300


@pytest.fixture(params=["embedded", "servers"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningStack]:
    with ExitStack() as opened:
        stack = (
            opened.enter_context(RunningStack.on_servers())
            if request.param == "servers"
            else RunningStack.planned(tmp_path / "home")
        )
        stack.start()
        yield stack
        if stack.launcher is not None and stack.launcher.poll() is None:
            stack.stop()


@pytest.fixture
def opened() -> Iterator[Callable[[Tenant], Tenant]]:
    """Return what takes a tenant, whose clients are closed in the end."""
    with ExitStack() as clients:

        def keep(tenant: Tenant) -> Tenant:
            clients.callback(tenant.client.close)
            clients.callback(tenant.key_client.close)
            return tenant

        yield keep


def test_what_was_answered_is_there_after_a_restore(
    stack: RunningStack, opened: Callable[[Tenant], Tenant], tmp_path: Path
) -> None:
    tenant = opened(registered(stack.base_url))
    model = with_model(tenant)
    place = slot(tenant, model, name="first")
    interact(tenant, [(f"u{n % 7}", f"i{n % 11}") for n in range(60)])
    for _each in range(3):
        recommended(tenant, "u1")
    until(lambda: used(tenant) == 3.6)
    folder = tmp_path / "backup"
    with writing(tenant) as kept:
        until(lambda: len(kept) > 20)
        before = list(kept)
        assert backup(stack, "take", folder).returncode == 0
    stack.stop()
    refused = backup(stack, "restore", folder)
    assert refused.returncode == 1
    assert "is not empty, and restore overwrites nothing" in refused.stdout
    shutil.rmtree(stack.home)

    restored = backup(stack, "restore", folder)
    assert restored.returncode == 0, restored.stdout + restored.stderr
    stack.start()

    fresh = opened(signed_in_again(stack, tenant))
    kept_before = events_of(fresh)
    assert set(before) <= kept_before
    # A unit for each that was told alone, a hundredth for each of a batch, the one just tried too.
    units = round(3.61 + len(kept_before), 2)
    until(lambda: used(fresh) == units, within=60)
    until(lambda: is_settled(stack), within=60)
    assert used(fresh) == units
    assert counted(fresh) == (61 + len(kept_before), 3)
    assert fresh.client.get(f"/api/v1/trained_model/{model}/").json()["filesize"]
    assert fresh.client.get(f"/api/v1/deployment_slot/{place}/").json()["trained_model"] == model
    until(lambda: predicted(fresh, model))
    assert recommended(fresh, "u1")
    interact(fresh, [("u1", "i99")])


def test_what_is_damaged_or_of_other_stores_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    stack = RunningStack.planned(tmp_path / "home")
    stack.home.mkdir()
    stack.command("migrate")
    folder = tmp_path / "backup"
    assert backup(stack, "take", folder).returncode == 0
    shutil.rmtree(stack.home)
    elsewhere = RunningStack.planned(stack.home, MILLRACE_DATABASE_URL="postgresql://a/{service}")
    refused = backup(elsewhere, "restore", folder)
    assert refused.returncode == 1
    assert "The backup's databases are of sqlite; the settings name postgresql" in refused.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]

    assert backup(stack, "restore", folder).returncode == 0
    assert (stack.home / "catalog" / "catalog.db").exists()
    shutil.rmtree(stack.home)

    with (folder / "databases" / "catalog.sqlite").open("ab") as file:
        file.write(b"!")
    refused = backup(stack, "restore", folder)
    assert refused.returncode == 1
    assert "The backup is damaged: databases/catalog.sqlite" in refused.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]


def test_a_backup_overwrites_nothing(tmp_path: Path) -> None:
    stack = RunningStack.planned(tmp_path / "home")
    stack.home.mkdir()
    folder = tmp_path / "backup"
    folder.mkdir()
    (folder / "mine").touch()
    refused = backup(stack, "take", folder)
    assert refused.returncode == 1
    assert "is not empty; a backup overwrites nothing" in refused.stdout


def backup(stack: RunningStack, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "backup", *map(str, words)],
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


@contextmanager
def writing(tenant: Tenant) -> Iterator[list[str]]:
    """Record one interaction after the other; yield the ids of those answered with success."""
    kept: list[str] = []
    over = threading.Event()

    def write() -> None:
        with local.Client(base_url=tenant.client.base_url, timeout=30) as client:
            number = 0
            while not over.is_set():
                event = f"event-{number}"
                body = {"userId": f"w{number % 5}", "itemId": "i1", "interactionType": "view"}
                answer = client.post(
                    "/api/v1/interactions",
                    json={**body, "eventId": event},
                    headers={"X-API-Key": tenant.api_key},
                )
                if answer.status_code == 201:
                    kept.append(event)
                number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield kept
    finally:
        over.set()
        thread.join()


def signed_in_again(stack: RunningStack, tenant: Tenant) -> Tenant:
    client = local.Client(base_url=stack.base_url, timeout=30)
    known = {"email": tenant.email, "password": PASSWORD}
    token = client.post("/api/auth/login", json=known).raise_for_status().json()["token"]
    client.headers["Authorization"] = f"Bearer {token}"
    key_client = local.Client(
        base_url=stack.base_url, timeout=30, headers={"X-API-Key": tenant.api_key}
    )
    return Tenant(client, key_client, tenant.email, token, tenant.api_key, tenant.project)


def events_of(tenant: Tenant) -> set[str]:
    """Return the ids of the tenant's interactions: whoever repeats one is told that it is known."""
    found: set[str] = set()
    for number in range(10_000):
        body = {"userId": f"w{number % 5}", "itemId": "i1", "interactionType": "view"}
        row: dict[str, Any] = {**body, "eventId": f"event-{number}"}
        answer = tenant.key_client.post("/api/v1/interactions/batch", json={"interactions": [row]})
        assert answer.status_code == 201, answer.text
        if not answer.json()["results"][0]["duplicate"]:
            return found
        found.add(row["eventId"])
    return found


def used(tenant: Tenant) -> float:
    """Return the units that billing has counted."""
    found: float = tenant.client.get("/api/billing/usage").json()["unitsUsed"]
    return found


def counted(tenant: Tenant) -> tuple[int, int]:
    """Return the interactions and recommendations that experiments has counted."""
    found = tenant.client.get("/api/analytics/stats").json()
    return found["totalInteractions"], found["totalRecommendations"]


def is_settled(stack: RunningStack) -> bool:
    """Tell whether no service has anything left to hear."""
    return not any(line["lag"] for line in stack.status().values())


def predicted(tenant: Tenant, model: int) -> bool:
    answer = tenant.key_client.post(f"/inference/predict/{model}", json={"user_id": "u1"})
    return answer.status_code == 200
