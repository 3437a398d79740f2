"""Somebody else's Parquet is decoded in a process of its own, which may run out of memory alone.

A few bytes of Parquet can say that gigabytes follow, in more ways than its footer tells.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from catalog.profiling.formats import Unreadable
from catalog.profiling.limits import Limits

#: How the process ends when its last words are why it refused the file.
REFUSED = 3
_MODULE = "catalog.profiling.foreign"
#: What it is told of our environment: nothing that is secret.
_TOLD = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")


def rewrite(source: Path, to: Path, limits: Limits) -> None:
    """Write an uploaded Parquet file anew, with nothing folded.

    Raises:
        Unreadable: it breaks a limit.
        ValueError: it cannot be read.
    """
    command = [sys.executable, "-m", _MODULE, str(source), str(to), json.dumps(asdict(limits))]
    environment = {name: os.environ[name] for name in _TOLD if name in os.environ}
    # Standard input stays open all the while: its end tells the child that this process has died.
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        env=environment | {"ARROW_DEFAULT_MEMORY_POOL": "system"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        said = child.stdout.read() if child.stdout else ""
    if child.returncode == REFUSED:
        raise Unreadable(said)
    if child.returncode:
        raise ValueError(f"the decoder ended with {child.returncode}")
