"""Finds a stack's stores; while it is down, runs those of its own servers that hold something."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from chassis.settings import Settings
from embedded import backends, records
from embedded.home import Home, prepare
from embedded.lock import is_up
from embedded.settings import Settings as LauncherSettings
from embedded.stack import RUN_VARIABLE, Stack
from servers.process import serving

#: Kafka and Redis hold nothing that is not made anew.
_KEEPING = ("postgres", "mongo", "s3")


@contextmanager
def existing(launcher: LauncherSettings) -> Iterator[Settings]:
    """Yield the settings of the services that run, or ran last, in the data folder.

    Where the launcher never ran there, the environment alone says where everything is.
    """
    stack = records.read_stack(launcher.home)
    if stack is None:
        yield Settings()
    elif stack.on_servers and not is_up(launcher.home):
        chosen = launcher.model_copy(update={"backends": "servers"})
        with _served(backends.plan(chosen)) as settings:
            yield settings
    else:
        yield _settings(stack)


@contextmanager
def new(launcher: LauncherSettings, home: Path) -> Iterator[Settings]:
    """Yield the settings of services that will have their data in a new folder."""
    chosen = launcher.model_copy(update={"data": home})
    prepare(Home(home), entered=chosen.backends == "servers")
    if chosen.backends == "servers":
        with _served(backends.plan(chosen)) as settings:
            yield settings
    else:
        os.environ["MILLRACE_HOME"] = str(home)
        yield Settings()


@contextmanager
def _served(stack: Stack) -> Iterator[Settings]:
    with ExitStack() as running:
        for server in backends.servers(stack):
            if server.name in _KEEPING:
                running.enter_context(serving(server))
        yield _settings(stack)


def _settings(stack: Stack) -> Settings:
    said = stack.environment()
    del said[RUN_VARIABLE]  # this is no part of the run: it must not end because the stack does
    os.environ.update(said)
    return Settings()
