"""The processes of one run, found by the id that each inherits, and how they are made to stop."""

import os
from collections.abc import Iterable

import psutil

from embedded.stack import RUN_VARIABLE


def of_run(run_id: str) -> list[psutil.Process]:
    """Return the living processes of a run, the children of its services included."""
    return [
        process
        for process in psutil.process_iter(["environ", "status"])
        if (process.info["environ"] or {}).get(RUN_VARIABLE) == run_id
        and process.info["status"] != psutil.STATUS_ZOMBIE
        and process.pid != os.getpid()
    ]


def stop(run_id: str, *, patience: float) -> int:
    """Ask all processes of a run to stop, then make them; return how many there were."""
    found = of_run(run_id)
    _each(found, "terminate")
    psutil.wait_procs(found, timeout=patience)
    kill(run_id)
    return len(found)


def kill(run_id: str) -> None:
    """End all processes of a run at once."""
    left = of_run(run_id)
    _each(left, "kill")
    psutil.wait_procs(left, timeout=1)


def _each(processes: Iterable[psutil.Process], method: str) -> None:
    for process in processes:
        try:
            getattr(process, method)()
        except psutil.NoSuchProcess:
            continue
