"""What has to be said before anything is imported or started."""

import asyncio
import signal
from collections.abc import Callable, Mapping

import pytest

# Asserts in the shared behaviour suites explain themselves.
pytest.register_assert_rewrite(
    "chassis.testing.blobs", "chassis.testing.databases", "chassis.testing.documents"
)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Have every test end only when its connections have."""
    from chassis.testing.loops import PatientLoop  # asserts are rewritten by then

    return {"patient": PatientLoop}


# What a shell runs in the background ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
