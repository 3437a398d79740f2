"""A process that has imported what a worker needs, and forks one for each piece of work.

What takes seconds is imported once and not for every piece: `python -m chassis.compute.forkserver
<worker module>`, with a socket as standard input. A message there is an environment, with the
worker's ends of the pipes that are its standard input, output and error.
Answers are `started <pid>`, one for each message and in their order, and `ended <pid> <status>`.
It runs no thread, so that a fork is a whole copy, and ends with the socket, and all workers with
it.
"""

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

import orjson

from chassis.compute.child import end_with_parent, run

#: The largest environment, in bytes: what a message on such a socket may hold.
MAX_MESSAGE_BYTES = 192 * 1024
_ENDS = 3


def main() -> None:
    """Serve whoever has the other end of standard input."""
    end_with_parent()
    control = socket.socket(fileno=os.dup(0))
    _take(os.open(os.devnull, os.O_RDONLY), as_=0)
    module = sys.argv[1]
    _import(module)
    gc.collect()
    gc.freeze()  # pages that nobody collects stay shared with the workers
    if environment := _serve(control):
        control.close()
        os.environ.clear()
        os.environ.update(environment)
        run(importlib.import_module(module).work)


def _import(module: str) -> None:
    """Import the worker and what it wants beforehand; if that fails, a worker will say why."""
    with contextlib.suppress(Exception):
        getattr(importlib.import_module(module), "prepare", lambda: None)()


def _serve(control: socket.socket) -> Mapping[str, str]:
    """Fork until the other end is closed; return twice: in a worker with its environment."""
    told, tell = os.pipe()
    os.set_blocking(told, False)
    os.set_blocking(tell, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select((control.fileno(), told), (), ())
        if told in ready:
            os.read(told, 512)
            _tell_endings(control)
        if control.fileno() in ready:
            message, ends, _, _ = socket.recv_fds(control, MAX_MESSAGE_BYTES, _ENDS)
            if not message:
                return {}
            if not (worker := os.fork()):
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.close(told)
                os.close(tell)
                _become_a_worker(ends)
                return dict(orjson.loads(message))
            _lead(worker)
            for number in ends:
                os.close(number)
            control.send(b"started %d" % worker)


def _tell_endings(control: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            worker, status = os.waitpid(-1, os.WNOHANG)
            if not worker:
                return
            control.send(b"ended %d %d" % (worker, os.waitstatus_to_exitcode(status)))


def _become_a_worker(ends: Sequence[int]) -> None:
    _lead(os.getpid())
    for standard, end in enumerate(ends):
        _take(end, as_=standard)


def _lead(worker: int) -> None:
    """Give a worker a group of its own: by both sides, as either may need it first."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpgid(worker, worker)


def _take(number: int, *, as_: int) -> None:
    os.dup2(number, as_)
    os.close(number)


if __name__ == "__main__":
    main()
