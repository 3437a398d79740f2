"""What has to be said before anything is imported or started."""

import asyncio
import signal
from collections.abc import Callable, Generator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Asserts in the shared behaviour suites explain themselves.
pytest.register_assert_rewrite(
    "chassis.testing.blobs", "chassis.testing.databases", "chassis.testing.documents"
)

# The same examples each time, on a busy machine, too.
settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Have every test end only when its connections have."""
    from chassis.testing.loops import PatientLoop  # asserts are rewritten by then

    return {"patient": PatientLoop}


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Write lone surrogates as escapes: xdist sends reports as UTF-8."""
    return _encodable((yield))


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_encodable(each) for each in value)
    return value


# What a shell runs in the background ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
