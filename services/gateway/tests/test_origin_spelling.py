"""How origins are spelled and compared."""

import pytest

from gateway.domain.origins import Origins, origin_of


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("HTTP://Shop.Test", "http://shop.test"),
        ("http://shop.test:80", "http://shop.test"),
        ("https://shop.test:443", "https://shop.test"),
        ("https://shop.test:80", "https://shop.test:80"),
        ("http://shop.test.", "http://shop.test."),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://[0:0::0001]:80", "http://[::1]"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://xn--mnchen-3ya.test", "http://xn--mnchen-3ya.test"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("null", None),
        ("", None),
        ("shop.test", None),
        ("http://", None),
        ("http://shop.test:0", None),
        ("http://shop.test:65536", None),
        ("http://shop.test:", None),
        ("http://shop.test/", None),
        ("http://shop.test?x", None),
        ("http://me@shop.test", None),
        ("http://[::1", None),
        ("http://[1::2::3]", None),
        ("http://shop.test\n", None),
        ("http://shop.test http://shop.test", None),
        ("http://shop.test:\uff18\uff10", None),
        ("http://\u212aingdom.test", None),
    ],
)
def test_an_origin_has_one_spelling(text: str, spelled: str | None) -> None:
    assert origin_of(text) == spelled


def test_an_address_of_its_own_is_an_origin_like_others() -> None:
    origins = Origins()
    own = [origin_of("http://[::1]:8080")]
    assert origins.accept(site=[], origin=["http://[0:0:0:0:0:0:0:1]:8080"], own=own)
    assert not origins.accept(site=[], origin=["null"], own=[None])
