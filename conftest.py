"""Asserts in the shared behaviour suites explain themselves; said before anything imports them."""

import pytest

pytest.register_assert_rewrite(
    "chassis.testing.blobs", "chassis.testing.databases", "chassis.testing.documents"
)
