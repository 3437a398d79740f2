"""The side of the work: read the specification, report, and never outlive the one who asked.

A worker module has `work`, may have `prepare`, which imports beforehand what takes long, and ends
with `if __name__ == "__main__": run(work)`.
"""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import orjson

#: The longest report, in bytes: what is bigger belongs in the blob store.
MAX_REPORT_BYTES = 1024 * 1024
MEMORY_VARIABLE = "MILLRACE_WORK_MEMORY_BYTES"
#: Seconds between two signs of life.
BEAT_VARIABLE = "MILLRACE_WORK_BEAT_SECONDS"
_PR_SET_PDEATHSIG = 1
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY

Work = Callable[[dict[str, Any], "Reporter"], Mapping[str, Any]]


class Reporter:
    """Sends reports, one JSON line each; any thread may."""

    def __init__(self, output: BinaryIO) -> None:
        """Write to the pipe that the asker reads."""
        self._output = output
        self._lock = threading.Lock()

    def progress(self, fraction: float, **details: Any) -> None:
        """Say how much is done, 0 to 1."""
        self._send("progress", {"fraction": fraction, **details})

    def log(self, message: str, *, level: str = "info") -> None:
        """Say something for the work's log."""
        self._send("log", {"message": message, "level": level})

    def result(self, body: Mapping[str, Any]) -> None:
        """Say what came of it, as the last word."""
        self._send("result", body)

    def error(self, code: str, message: str) -> None:
        """Say why nothing came of it, as the last word."""
        self._send("error", {"code": code, "message": message})

    def beat(self) -> None:
        """Say only that this process lives."""
        self._send("beat", {})

    def _send(self, kind: str, body: Mapping[str, Any]) -> None:
        line = orjson.dumps({**body, "kind": kind}, option=_OPTIONS)
        if len(line) > MAX_REPORT_BYTES:
            raise ValueError(f"a report is at most {MAX_REPORT_BYTES} bytes long")
        with self._lock:
            self._output.write(line)
            self._output.flush()


def run(work: Work) -> None:
    """Do the work that standard input specifies and exit."""
    end_with_parent()
    reporter = Reporter(_take_standard_output())
    _limit_memory()
    _beat(reporter)
    spec = orjson.loads(sys.stdin.buffer.readline())
    with _lifeline():
        status = _attempt(work, spec, reporter)
    sys.exit(status)


def _beat(reporter: Reporter) -> None:
    """Give signs of life from a thread, so that they need no progress of the work."""
    every = float(os.environ.get(BEAT_VARIABLE, 0))

    def beat() -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            while True:
                time.sleep(every)
                reporter.beat()

    if every:
        threading.Thread(target=beat, daemon=True).start()


def _attempt(work: Work, spec: dict[str, Any], reporter: Reporter) -> int:
    try:
        reporter.result(work(spec, reporter))
    except MemoryError:
        traceback.print_exc()
        reporter.error("OUT_OF_MEMORY", "the work needs more memory than it may have")
        return 1
    except Exception as error:
        from chassis.away import is_away  # only who fails pays for this import

        traceback.print_exc()
        # A time limit of the work's own is no reason to try again for ever.
        away = is_away(error) and not isinstance(error, TimeoutError)
        reporter.error("AWAY" if away else "FAILED", f"{type(error).__name__}: {error}")
        return 1
    return 0


def _take_standard_output() -> BinaryIO:
    """Return the pipe for reports; from now on, whatever a library prints goes to stderr."""
    reports = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return reports


def end_with_parent() -> None:
    """Have the kernel end this process when its parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextlib.contextmanager
def _lifeline() -> Iterator[None]:
    """End this process and all that it starts once the asker's end of standard input closes.

    A shell waits for that, as a thread of this process could not while a library holds the
    interpreter's lock.
    """
    if os.getpgrp() != os.getpid():
        os.setpgrp()
    with subprocess.Popen(
        ("/bin/sh", "-c", "read -r _; kill -s KILL 0"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as watcher:
        try:
            yield
        finally:
            watcher.kill()


def _limit_memory() -> None:
    limit = os.environ.get(MEMORY_VARIABLE)
    if limit:
        resource.setrlimit(resource.RLIMIT_AS, (int(limit), int(limit)))
