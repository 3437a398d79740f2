"""A stack of `make up` for tests: own data folder, own ports, stopped in the end."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from embedded import ports, records
from embedded.home import Home
from embedded.stack import service_of
from embedded.status import look
from servers.process import private_folder

T = TypeVar("T")

#: Tests call far more often than any tenant may.
UNLIMITED = {
    f"MILLRACE_RATE_{who}": "0"
    for who in ("KEY", "ANONYMOUS", "PERSON", "INFERENCE", "LOGIN", "ACCOUNT", "REGISTRATION")
}
START_LIMIT = 300.0


def until(condition: Callable[[], T | None], *, within: float = 30.0, every: float = 0.1) -> T:
    """Return the first true value of a condition, or fail when it takes too long."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not true within {within:.0f} s"
        time.sleep(every)
    return value


@dataclass
class RunningStack:
    """The launcher as a user starts it, and where its doors are."""

    home: Path
    port: int
    kafka_port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    launcher: subprocess.Popen[bytes] | None = None

    @classmethod
    def planned(cls, home: Path, **settings: str) -> "RunningStack":
        """Return a stack on free ports; `settings` are further MILLRACE_* variables."""
        port, kafka_port = ports.choose(2)
        return cls(home, port, kafka_port, {**UNLIMITED, **settings})

    @classmethod
    @contextmanager
    def elsewhere(cls, **settings: str) -> "Iterator[RunningStack]":
        """Plan a stack in a folder of its own, which is removed in the end.

        PostgreSQL refuses root, and whom it runs as cannot reach into the folders of pytest.
        """
        with private_folder() as folder:
            yield cls.planned(folder / "home", **settings)

    @classmethod
    def on_servers(cls, **settings: str) -> "AbstractContextManager[RunningStack]":
        """Plan a stack on real servers."""
        return cls.elsewhere(MILLRACE_BACKENDS="servers", **settings)

    @property
    def base_url(self) -> str:
        """Return the gateway's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def kafka(self) -> str:
        """Return the broker's address."""
        return f"127.0.0.1:{self.kafka_port}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment that every command about this stack needs."""
        return {
            **os.environ,
            **self.settings,
            "MILLRACE_HOME": str(self.home),
            "MILLRACE_PORT": str(self.port),
            "MILLRACE_KAFKA_PORT": str(self.kafka_port),
        }

    def environment_of(self, name: str) -> dict[str, str]:
        """Return the environment that a service of the stack, or one of its processes, has."""
        started = records.read_stack(Home(self.home))
        assert started is not None
        process = name if name in started.service_ports else started.processes_of(name)[0]
        return {**self.environment, **started.environment(process)}

    def start(self) -> None:
        """Start the launcher and wait until every process is ready."""
        self.launch()
        until(self._ready_or_dead, within=START_LIMIT, every=0.5)
        assert self.launcher is not None
        assert self.launcher.poll() is None, (self.home / "launcher.log").read_text()

    def launch(self) -> None:
        """Start the launcher, and wait for nothing."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "launcher.log").open("wb") as log:
            self.launcher = subprocess.Popen(
                [sys.executable, "-m", "embedded", "up"],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self, *, how: signal.Signals = signal.SIGTERM) -> int:
        """Send the launcher a signal and return its exit status."""
        assert self.launcher is not None
        self.launcher.send_signal(how)
        return self.launcher.wait(timeout=20)

    @contextmanager
    def without(self, *names: str) -> Iterator[None]:
        """Kill parts of the stack, which the launcher starts again only after the block.

        It stands still meanwhile.
        """
        assert self.launcher is not None
        launcher = psutil.Process(self.launcher.pid)
        launcher.suspend()
        try:
            for name in names:
                _kill_tree(records.read(Home(self.home))[name].pid)
            yield
        finally:
            launcher.resume()

    @contextmanager
    def replaced(self, changes: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
        """Have others stand in for processes of services, with a changed environment, for a block.

        The launcher starts the real ones again afterwards.
        """
        environments = {name: {**self.environment_of(name), **changes[name]} for name in changes}
        with self.without(*changes), ExitStack() as stand_ins:
            for name, environment in environments.items():
                stand_in = self._stand_in(name, environment)
                stand_ins.callback(stand_in.wait)
                stand_ins.callback(stand_in.kill)
            yield

    def _stand_in(self, name: str, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", f"{service_of(name)}.app"]
        with (self.home / "logs" / f"{name}.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def status(self) -> dict[str, dict[str, Any]]:
        """Return what `make status` shows, by name, whether or not the caller's loop runs."""
        with ThreadPoolExecutor(1) as apart:
            lines = apart.submit(lambda: asyncio.run(look(Home(self.home)))).result()
        return {line.name: asdict(line) for line in lines}

    def command(self, *words: str, typed: str = "") -> str:
        """Run a command of the launcher, type a line into it, and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "embedded", *words],
            env=self.environment,
            input=typed,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def _ready_or_dead(self) -> bool:
        dead = self.launcher is not None and self.launcher.poll() is not None
        return dead or "Millrace is up" in (self.home / "launcher.log").read_text()


def _kill_tree(pid: int) -> None:
    """Kill a process and what it started, and return when none of them runs.

    Who has started it stands still and lets it be a zombie.
    """
    first = psutil.Process(pid)
    doomed = [first, *first.children(recursive=True)]
    for process in doomed:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    until(lambda: not any(_lives(process) for process in doomed))


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
