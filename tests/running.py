"""A stack of `make up` for tests: own data folder, own ports, stopped in the end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from embedded import ports, records
from embedded.home import Home
from servers.process import private_folder

T = TypeVar("T")

#: Tests call far more often than any tenant may.
UNLIMITED = {
    f"MILLRACE_RATE_{who}": "0" for who in ("KEY", "ANONYMOUS", "PERSON", "INFERENCE", "LOGIN")
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

    def environment_of(self, service: str) -> dict[str, str]:
        """Return the environment that a service of the stack was started with."""
        started = records.read_stack(Home(self.home))
        assert started is not None
        return started.environment(started.processes_of(service)[0])

    def start(self) -> None:
        """Start the launcher and wait until every process is ready."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "launcher.log").open("wb") as log:
            self.launcher = subprocess.Popen(
                [sys.executable, "-m", "embedded", "up"],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until(self._ready_or_dead, within=START_LIMIT, every=0.5)
        assert self.launcher.poll() is None, (self.home / "launcher.log").read_text()

    def stop(self, *, how: signal.Signals = signal.SIGTERM) -> int:
        """Send the launcher a signal and return its exit status."""
        assert self.launcher is not None
        self.launcher.send_signal(how)
        return self.launcher.wait(timeout=20)

    def status(self) -> dict[str, dict[str, Any]]:
        """Return what `make status JSON=1` prints, by name."""
        return {line["name"]: line for line in json.loads(self.command("status", "--json"))}

    def command(self, *words: str) -> str:
        """Run a command of the launcher and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "embedded", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def _ready_or_dead(self) -> bool:
        dead = self.launcher is not None and self.launcher.poll() is not None
        return dead or "Millrace is up" in (self.home / "launcher.log").read_text()
