"""Commands of a service, run with the environment that the service itself has in the stack."""

import os
import subprocess

from embedded import backends, records
from embedded.failure import Failure
from embedded.home import Home, prepare
from embedded.processes import MIGRATE
from embedded.settings import Settings
from embedded.stack import RUN_VARIABLE, SERVICES, Stack, python


def run(home: Home, service: str, *command: str) -> int:
    """Run a Python module as if it were part of a service; return its exit status.

    Raises:
        Failure: there is no such service, or no stack.
    """
    stack = records.read_stack(home)
    if stack is None:
        raise Failure(f"Nothing has run in {home.path} yet; start it with `make up`.")
    return _run(stack, service, command)


def migrate(settings: Settings, service: str | None) -> int:
    """Bring the databases of one or all services to the newest schema, running or not."""
    prepare(settings.home)
    stack = records.read_stack(settings.home) or backends.plan(settings)
    chosen = (service,) if service else SERVICES
    return _run(stack, chosen[0], (*MIGRATE, *chosen))


def _run(stack: Stack, service: str, command: tuple[str, ...]) -> int:
    if service not in SERVICES:
        raise Failure(f"There is no service {service!r}; there are {', '.join(SERVICES)}.")
    environment = stack.environment(stack.processes_of(service)[0])
    # Not a part of the run: it must not end because the stack does.
    environment.pop(RUN_VARIABLE)
    return subprocess.run(python(*command), env=environment, check=False).returncode  # noqa: S603


def follow_logs(home: Home, service: str | None) -> None:
    """Become `tail` over one or all log files.

    Raises:
        Failure: there is no such log.
    """
    patterns = (f"{service}.log", f"{service}-[0-9]*.log") if service else ("*.log",)
    files = sorted(file for pattern in patterns for file in home.logs.glob(pattern))
    if not files:
        raise Failure(f"No log of {service or 'any process'} is in {home.logs}.")
    os.execvp("tail", ["tail", "-n", "40", "-F", *map(str, files)])  # noqa: S606, S607
