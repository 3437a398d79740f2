"""A path has one spelling, in which a slash of an id is no separator."""

import pytest

from chassis.paths import decoded, written
from chassis.testing import ADMIN, Bench


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/", "/"),
        (b"//", "/"),
        (b"/a", "/a"),
        (b"/a/", "/a"),
        (b"/a//", "/a/"),
        (b"/a%2F", "/a%2F"),
        (b"/a%2f/", "/a%2F"),
        (b"/a/%2F", "/a/%2F"),
        (b"/a%252F", "/a%252F"),
        (b"/%7Ea%2D%3a", "/~a-:"),
        (b"/%2e%2E", "/.."),
        (b"/%c3%bc", "/%C3%BC"),
        (b"/%ff%", "/%FF%25"),
        (b"/a?b", "/a%3Fb"),
        (b"*", "*"),
    ],
)
def test_equal_paths_are_spelled_alike(raw: bytes, path: str) -> None:
    assert written({"raw_path": raw, "path": "unused"}) == path


def test_a_path_that_is_told_decoded_alone_is_spelled_too() -> None:
    assert written({"path": "/ü %2F"}) == "/%C3%BC%20%252F"


def test_a_segment_stands_for_a_text_or_for_none() -> None:
    assert decoded("a%2F%252Fü") == "a/%2Fü"
    with pytest.raises(ValueError, match="utf-8"):
        decoded("%FF")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/thing/1", 200),
        ("/api/v1/thing/1/", 200),
        ("/api/v1/thing/%31", 200),
        ("/api/v1/thing/1%2F", 404),
        ("/api/v1/thing/1//", 404),
        ("/api/v1/thing%2F1", 404),
        ("/api/v1//thing/1", 404),
        ("/api/v1/thing/%FF", 404),
    ],
)
async def test_only_a_literal_slash_separates_and_only_one_at_the_end_is_optional(
    bench: Bench, path: str, status: int
) -> None:
    async with bench.as_caller(ADMIN) as client:
        await client.post("/api/v1/thing", json={"name": "first"})
        assert (await client.get(path)).status_code == status
