"""A running stack with one tenant under steady load: what every fault strikes."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import psutil

from contracts.topics import tenant_of
from embedded import records
from embedded.home import Home
from tests import local
from tests.chaos.books import Shelves
from tests.chaos.load import Load, Target
from tests.e2e.conftest import Tenant, registered
from tests.e2e.journey import configured, slot, trained, uploaded
from tests.running import RunningStack, until

SERVICES = ("gateway", "catalog", "training", "inference", "billing", "experiments")
#: Trainings are those that the load orders; a lease is short, so that the test need not wait long.
SETTINGS = {
    "MILLRACE_TRAINING_FIRST_INTERACTIONS": "1000000000",
    "MILLRACE_TRAINING_LEASE_SECONDS": "6",
    "MILLRACE_TRAINING_HEARTBEAT_SECONDS": "1",
}
#: Limits that are counted but never reached.
COUNTED = {f"MILLRACE_RATE_{who}": "1000000/minute" for who in ("KEY", "INFERENCE")}


@dataclass
class Stage:
    """The stack, its books, and the load upon it."""

    stack: RunningStack
    shelves: Shelves
    tenant: Tenant
    load: Load
    #: Whether services died over trainings more often than those are tried again.
    may_give_up: bool = False

    def pid(self, name: str) -> int | None:
        """Return the process id of a part of the stack that runs."""
        record = records.read(Home(self.stack.home)).get(name)
        return record.pid if record else None

    def running(self, name: str) -> int:
        """Return the process id of a part of the stack, as soon as it runs."""
        return until(lambda: self.pid(name), within=60)

    def kill(self, name: str) -> None:
        """Kill one part of the stack with SIGKILL, and return when it has been started again."""
        before = self.running(name)
        os.kill(before, signal.SIGKILL)
        until(lambda: self.pid(name) not in (None, before), within=60, every=0.02)

    def is_whole(self) -> bool:
        """Tell whether all services say that they are ready."""
        try:
            answer = local.get(f"{self.stack.base_url}/health", timeout=5)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200


def hold(seconds: float) -> None:
    """Let a fault last."""
    deadline = time.monotonic() + seconds
    until(lambda: time.monotonic() >= deadline, within=seconds + 5)


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


@contextmanager
def under_load(stack: RunningStack, shelves: Shelves) -> Iterator[Stage]:
    """Have a tenant and its load upon a stack that runs; it rests at first."""
    tenant, load = set_up(stack)
    load.start()
    try:
        yield Stage(stack, shelves, tenant, load)
    finally:
        load.stop()
        tenant.client.close()
        tenant.key_client.close()


def set_up(stack: RunningStack) -> tuple[Tenant, Load]:
    """Register a tenant with a running A/B test between two trained models, and its load."""
    tenant = registered(stack.base_url)
    cap = {"capAmount": 1_000_000.0}
    tenant.client.put("/api/billing/overage-cap", json=cap).raise_for_status()
    data = uploaded(tenant, _table())
    configuration = configured(tenant)
    models = [trained(tenant, configuration=configuration, data=data) for _arm in range(2)]
    arms = [slot(tenant, model, name=f"arm {model}") for model in models]
    _start_test(tenant, *arms)
    door = tenant.key_client.get("/api/v1/ingest").raise_for_status().json()
    target = Target(
        base_url=stack.base_url,
        kafka=stack.environment_of("catalog")["MILLRACE_KAFKA_URL"],
        api_key=tenant.api_key,
        tenant_id=tenant_of(door["interactions_topic"]),
        tenant_topic=door["interactions_topic"],
        project=tenant.project,
        slots=tuple(arms),
        configuration=configuration,
        data=data,
    )
    load = Load(target)
    load.models += models
    path = f"/inference/predict/project/{tenant.project}"
    ask = {"user_id": "u1", "cutoff": 3}
    until(lambda: (answer := tenant.key_client.post(path, json=ask)).is_success and answer)
    load.unanswered += 1
    return tenant, load


def _start_test(tenant: Tenant, control: int, variant: int) -> None:
    body = {
        "project": tenant.project,
        "name": "chaos",
        "control_slot": control,
        "variant_slot": variant,
    }
    made = tenant.client.post("/api/v1/ab_test/", json=body).raise_for_status().json()
    tenant.client.post(f"/api/v1/ab_test/{made['id']}/start/").raise_for_status()


def _table() -> str:
    rows = (f"u{n % 9},i{n % 7},2026-01-01T00:{n // 60:02d}:{n % 60:02d}" for n in range(120))
    return "\n".join(["user_id,item_id,timestamp", *rows])
