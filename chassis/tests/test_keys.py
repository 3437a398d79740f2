"""Files of keys: several at a time, and read again when they change."""

from pathlib import Path

import pytest

from chassis.identity import AssertionSigner, AssertionVerifier
from chassis.keys import KeyFile, pem_blocks, private_keys, public_keys
from chassis.problems import Unauthenticated
from chassis.testing import ADMIN, new_key_pair


def test_a_file_lists_its_keys_in_order() -> None:
    pairs = [new_key_pair() for _ in range(3)]
    privates = private_keys(b"a comment\n".join(private for private, _ in pairs))
    publics = public_keys(b"\r\n".join(public for _, public in pairs))
    assert [key.public_key() for key in privates] == list(publics)


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nMCow\n"])
def test_a_file_without_a_key_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no PEM block"):
        pem_blocks(content)


def test_a_key_of_another_kind_is_refused() -> None:
    private, public = new_key_pair()
    with pytest.raises(ValueError, match=r"."):
        public_keys(private)
    with pytest.raises(ValueError, match=r"."):
        private_keys(public)


def test_a_changed_file_is_read_again_and_a_broken_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "assertion.pub.pem"
    first, second = (new_key_pair()[1] for _ in range(2))
    path.write_bytes(first)
    held = KeyFile(path, public_keys)
    assert held() == public_keys(first)
    path.write_bytes(first + second)
    assert held() == public_keys(first + second)
    path.write_bytes(b"half a")
    assert held() == public_keys(first + second)
    assert "cannot be read again" in caplog.text
    path.unlink()
    assert held() == public_keys(first + second)
    path.write_bytes(second)
    assert held() == public_keys(second)


def test_services_accept_either_of_two_keys_while_one_follows_the_other(tmp_path: Path) -> None:
    (old, old_public), (new, new_public) = new_key_pair(), new_key_pair()
    public, private = tmp_path / "assertion.pub.pem", tmp_path / "assertion.pem"
    public.write_bytes(old_public)
    private.write_bytes(old)
    verifier = AssertionVerifier.from_file(public, service="catalog")
    signer = AssertionSigner.from_file(private)
    signed = [signer.sign(ADMIN, service="catalog")]
    private.write_bytes(new + old)
    signed.append(signer.sign(ADMIN, service="catalog"))
    with pytest.raises(Unauthenticated):
        verifier.verify(signed[1])
    public.write_bytes(old_public + new_public)
    assert [verifier.verify(each) for each in signed] == [ADMIN, ADMIN]
    public.write_bytes(new_public)
    fresh = AssertionVerifier.from_file(public, service="catalog")
    assert fresh.verify(signed[1]) == ADMIN
    with pytest.raises(Unauthenticated):
        fresh.verify(signed[0])


def test_an_assertion_counts_in_the_service_it_is_for(tmp_path: Path) -> None:
    private, public = new_key_pair()
    signer = AssertionSigner(private)
    catalog, billing = (AssertionVerifier(public, service=s) for s in ("catalog", "billing"))
    for_catalog = signer.sign(ADMIN, service="catalog")
    assert catalog.verify(for_catalog) == ADMIN
    with pytest.raises(Unauthenticated):
        billing.verify(for_catalog)
    for_any = signer.sign(ADMIN)
    assert [each.verify(for_any) for each in (catalog, billing)] == [ADMIN, ADMIN]
