"""`kill -9` of the whole stack at random moments under load: nothing lost, nothing twice."""

import asyncio
import os
import random
import signal
from pathlib import Path

import psutil

from tests.chaos import books
from tests.chaos.load import Load
from tests.e2e.conftest import Tenant, registered
from tests.running import RunningStack, until

ROUNDS = int(os.environ.get("MILLRACE_CHAOS_ROUNDS", "5"))


def ready_slot(tenant: Tenant) -> int:
    """Train the smallest model there is and put it into a slot, so that conversions have one."""
    project = {"project": tenant.project}
    table = "user_id,item_id,timestamp\n" + "".join(
        f"u{n % 9},i{n % 7},2026-01-01T00:00:{n % 60:02d}\n" for n in range(120)
    )
    files = {"file": ("history.csv", table, "text/csv")}
    data = tenant.client.post("/api/v1/training_data/", data=project, files=files)
    configuration = tenant.client.post(
        "/api/v1/model_configuration/",
        json={**project, "recommender_class_name": "TopPopRecommender", "parameters_json": {}},
    )
    order = {
        "configuration": configuration.raise_for_status().json()["id"],
        "data_loc": data.raise_for_status().json()["id"],
    }
    model = tenant.client.post("/api/v1/trained_model/", json=order).raise_for_status().json()["id"]
    path = f"/api/v1/trained_model/{model}/"
    until(lambda: tenant.client.get(path).json()["filesize"], within=90)
    slot = {**project, "name": "chaos", "trained_model": model}
    made = tenant.client.post("/api/v1/deployment_slot/", json=slot).raise_for_status()
    return int(made.json()["id"])


def load_for(stack: RunningStack, tenant: Tenant) -> Load:
    """Return the load of one tenant."""
    door = tenant.key_client.get("/api/v1/ingest").raise_for_status().json()
    return Load(
        base_url=stack.base_url,
        kafka=stack.kafka,
        api_key=tenant.api_key,
        tenant_topic=door["interactions_topic"],
        project=tenant.project,
        slot=ready_slot(tenant),
    )


def kill_everything(stack: RunningStack) -> None:
    """Kill the launcher, every service, every worker and Kafka in one go."""
    assert stack.launcher is not None
    root = psutil.Process(stack.launcher.pid)
    doomed = [*root.children(recursive=True), root]
    for process in doomed:
        kill(process)
    stack.launcher.wait(timeout=20)
    psutil.wait_procs(doomed, timeout=20)


def kill(process: psutil.Process) -> None:
    """Kill a process that may have gone already."""
    try:
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return


async def storm(stack: RunningStack, load: Load) -> None:
    """Kill everything at random moments while the load runs, and start it again each time."""
    dice = random.Random(17)
    for _round in range(ROUNDS):
        goal = load.answered + dice.randrange(20, 400)
        await asyncio.to_thread(until, lambda goal=goal: load.answered >= goal, within=60)
        await asyncio.to_thread(kill_everything, stack)
        await asyncio.to_thread(stack.start)
    load.over.set()


async def test_what_was_acknowledged_is_there_exactly_once(tmp_path: Path) -> None:
    stack = RunningStack.planned(tmp_path / "home")
    try:
        await asyncio.to_thread(stack.start)
        tenant = await asyncio.to_thread(registered, stack.base_url)
        load = await asyncio.to_thread(load_for, stack, tenant)
        await asyncio.gather(load.run(), storm(stack, load))
        await asyncio.to_thread(compare, stack, tenant, load)
        tenant.client.close()
        tenant.key_client.close()
    finally:
        stack.stop()


def compare(stack: RunningStack, tenant: Tenant, load: Load) -> None:
    """Compare what was acknowledged with what every service holds, to the unit."""
    assert load.refused == []
    interactions = set(load.http.sent) | set(load.streamed.sent)
    until(lambda: set(books.kept_by_catalog(stack.home)) >= interactions, within=60)
    assert books.kept_by_catalog(stack.home) == dict.fromkeys(interactions, 1)
    assert books.kept_by_experiments(stack.home) == dict.fromkeys(load.conversions.sent, 1)
    total = len(interactions)
    until(lambda: books.seen_by_training(sign_in_again(stack, tenant)) == total, within=60)
    met = {(each["userId"], each["itemId"]) for each in load.interactions}
    until(lambda: books.remembered_by_inference(stack.home) == met, within=60)
    units = len(load.http.sent) + len(load.streamed.sent) / 100 + len(load.conversions.sent)
    until(lambda: round(books.used_by_billing(tenant), 2) == round(units, 2), within=60)


def sign_in_again(stack: RunningStack, tenant: Tenant) -> Tenant:
    """Renew the admin's token, which outlived none of the storm's minutes."""
    person = {"email": tenant.email, "password": "a long enough passphrase"}
    answer = tenant.client.post("/api/auth/login", json=person).raise_for_status()
    tenant.client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    return tenant
