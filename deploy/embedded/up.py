"""`make up`: from an empty folder to a ready stack in the foreground."""

import asyncio
import signal
from collections.abc import Sequence

from embedded import backends, guard, home, jars, leftovers, ports, records
from embedded.home import Home
from embedded.kafka import VERSION, libraries
from embedded.launcher import Launcher
from embedded.lock import alone_in
from embedded.processes import Process, processes
from embedded.settings import Settings
from embedded.speech import say
from embedded.stack import Stack

#: Seconds that what a killed launcher left behind gets to stop by itself.
LEFTOVER_PATIENCE = 3.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(settings: Settings) -> None:
    """Run the stack until a signal says stop."""
    home.prepare(settings.home, entered=settings.backends == "servers")
    with alone_in(settings.home):
        clear_leftovers(settings.home)
        ports.require_free(settings.port, "MILLRACE_PORT")
        stack = backends.plan(settings)
        if not stack.on_servers or "kafka" in stack.server_ports:
            ports.require_free(settings.kafka_port, "MILLRACE_KAFKA_PORT")
            have_kafka()
        if stack.on_servers:
            backends.configure(stack)
        else:
            stack.node.configure()
        records.write_stack(stack)
        asyncio.run(keep(stack, processes(stack)))
    say("Millrace has stopped.")


def clear_leftovers(folder: Home) -> None:
    """Stop what a launcher that was killed left behind, and forget its records."""
    before = records.read_stack(folder)
    if before and leftovers.stop(before.run_id, patience=LEFTOVER_PATIENCE):
        say("Stopped what an earlier run had left behind.")
    for name in records.read(folder):
        records.forget(folder, name)


def have_kafka() -> None:
    """Have Apache Kafka in the cache, fetched once per user."""
    lock = jars.kafka_lock()
    if not libraries().exists():
        say(f"Fetching Apache Kafka {VERSION} ({len(lock)} archives, 45 MB, once) …")
    jars.ensure(lock, libraries())


async def keep(stack: Stack, parts: Sequence[Process]) -> None:
    """Run the parts of a stack under a guard until a signal says stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in STOP_SIGNALS:
        loop.add_signal_handler(each, stop.set)
    say(f"Starting Millrace in {stack.home.path}")
    watchman = guard.start(stack.run_id)
    try:
        launcher = Launcher(stack.home, parts, run_id=stack.run_id)
        await launcher.run(stop, greet=lambda: greet(stack))
    finally:
        watchman.kill()
        watchman.wait()


def greet(stack: Stack) -> None:
    """Say where the stack is, and tell the operator of a new one the password, once."""
    password, told = stack.home.path / "admin-password", stack.home.run / "greeted"
    if password.exists() and not told.exists():
        word = password.read_text(encoding="utf-8").strip()
        say(f"Sign in as the operator with the password {word} (kept in {password})")
        told.touch()
    say(f"Millrace is up: {stack.urls('gateway')}")
