"""A worker that does what it is told, for the behaviour suite of compute."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chassis.blobs import BlobsUnavailable
from chassis.compute.child import Reporter, run

Spec = dict[str, Any]

_prepared_by: list[int] = []


def prepare() -> None:
    """Remember which process did this."""
    _prepared_by.append(os.getpid())


def echo(spec: Spec, reporter: Reporter) -> Mapping[str, Any]:
    """Answer the specification, with some news before."""
    reporter.progress(0.5, stage="half")
    reporter.log("nearly there", level="debug")
    reporter.progress(1)
    return spec


def introduce(_spec: Spec, _reporter: Reporter) -> Mapping[str, Any]:
    """Answer which process this is, which is its parent, and who prepared the work."""
    return {"pid": os.getpid(), "parent": os.getppid(), "prepared_by": _prepared_by}


def spawn(_spec: Spec, _reporter: Reporter) -> Mapping[str, Any]:
    """Have a new interpreter do something, as time-limited trials do."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return {"pid": os.getpid(), "spawned": pool.apply(os.getpid)}


def environment(spec: Spec, _reporter: Reporter) -> Mapping[str, Any]:
    """Answer some variables."""
    return {name: os.environ.get(name) for name in spec["names"]}


def chatter(_spec: Spec, reporter: Reporter) -> Mapping[str, Any]:
    """Write where reports go, as libraries do."""
    print("a library prints", flush=True)  # noqa: T201
    os.write(1, b"and another writes past Python\n")
    reporter.log("a report")
    return {}


def fail(spec: Spec, _reporter: Reporter) -> Mapping[str, Any]:
    """Raise."""
    raise ValueError(spec["message"])


def be_hindered(_spec: Spec, _reporter: Reporter) -> Mapping[str, Any]:
    """Find the blob store full."""
    raise BlobsUnavailable("full")


def crash(_spec: Spec, _reporter: Reporter) -> Mapping[str, Any]:
    """Die without a word on the pipe."""
    sys.stderr.write("segmentation of all hopes\n")
    sys.stderr.flush()
    os._exit(7)


def be_killed(_spec: Spec, _reporter: Reporter) -> Mapping[str, Any]:
    """Die as by the kernel's hand when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def rave(_spec: Spec, reporter: Reporter) -> Mapping[str, Any]:
    """Report more than a report may hold, past the reporter's own check."""
    reporter._output.write(b"x" * 3_000_000 + b"\n")
    reporter._output.flush()
    return {}


def gorge(spec: Spec, _reporter: Reporter) -> Mapping[str, Any]:
    """Take memory."""
    return {"taken": len(bytearray(spec["bytes"]))}


def wait(spec: Spec, reporter: Reporter) -> Mapping[str, Any]:
    """Wait for a file; stubborn work does not care about SIGTERM."""
    if spec.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    helper = subprocess.Popen(("sleep", "600")) if spec.get("helper") else None
    reporter.log("waiting")
    reporter.progress(0, pid=os.getpid(), helper=helper.pid if helper else None)
    while not Path(spec["file"]).exists():
        time.sleep(0.01)
    return {}


def rest(spec: Spec, _reporter: Reporter) -> Mapping[str, Any]:
    """Say nothing and compute nothing for some seconds."""
    time.sleep(spec["seconds"])
    return {}


def work(spec: Spec, reporter: Reporter) -> Mapping[str, Any]:
    """Do one of the above."""
    talking = (echo, introduce, spawn, environment, chatter)
    failing = (fail, be_hindered, crash, be_killed, rave, gorge)
    kinds = {kind.__name__: kind for kind in (*talking, *failing, wait, rest)}
    return kinds[spec["do"]](spec, reporter)


if __name__ == "__main__":
    run(work)
