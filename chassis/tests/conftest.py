"""Behaviour suites live outside test modules; their assertions should explain themselves too."""

import pytest

pytest.register_assert_rewrite(
    "chassis.testing.blobs", "chassis.testing.compute", "chassis.testing.documents"
)
