"""What has to be said before anything is imported or started."""

import signal

import pytest

# Asserts in the shared behaviour suites explain themselves.
pytest.register_assert_rewrite(
    "chassis.testing.blobs", "chassis.testing.databases", "chassis.testing.documents"
)

# What a shell runs in the background ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
