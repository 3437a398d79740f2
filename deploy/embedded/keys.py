"""The platform's own key pairs as files, and how one follows another while everything runs.

`<name>.pem` holds private keys: the first one signs. `<name>.pub.pem` holds the public keys whose
signatures count, the newest last. Outside a change each holds one.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from embedded.failure import Failure

NAMES = ("assertion", "artefact")

_BLOCK = re.compile(rb"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)


def make(folder: Path, name: str) -> None:
    """Make a key pair where there is none."""
    private = folder / f"{name}.pem"
    if private.exists():
        return
    key = _new()
    # The private half comes last: where it exists, its public half does too.
    write_private(folder / f"{name}.pub.pem", _public_of(key))
    write_private(private, key)


def begin(folder: Path, name: str) -> None:
    """Publish a new key beside the present one, which goes on signing."""
    privates, publics = _read(folder, name)
    if len(privates) == 1:
        privates = [privates[0], _new()]
        _write(folder / f"{name}.pem", privates)
    missing = [key for key in map(_public_of, privates) if key not in publics]
    if missing:
        _write(folder / f"{name}.pub.pem", [*publics, *missing])


def sign(folder: Path, name: str) -> None:
    """Let the new key sign; signatures of the former one still count.

    Raises:
        Failure: there is no new key.
    """
    privates, publics = _read(folder, name)
    if len(privates) == 1:
        raise Failure(f"{folder / name}.pem holds one key: begin with the step `begin`.")
    newest = publics[-1]
    _write(folder / f"{name}.pem", sorted(privates, key=lambda key: _public_of(key) != newest))


def finish(folder: Path, name: str) -> None:
    """Forget all keys but the one that signs."""
    privates, _publics = _read(folder, name)
    # In this order no service ever signs with a key that others refuse.
    _write(folder / f"{name}.pem", privates[:1])
    _write(folder / f"{name}.pub.pem", [_public_of(privates[0])])


def write_private(path: Path, content: bytes) -> None:
    """Replace a file that only its owner may read; it is the old or the new one, never half."""
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    fresh.replace(path)


def _read(folder: Path, name: str) -> tuple[list[bytes], list[bytes]]:
    try:
        privates = _blocks(folder / f"{name}.pem")
        publics = _blocks(folder / f"{name}.pub.pem")
    except OSError as error:
        raise Failure(f"{error.filename} cannot be read: {error.strerror}.") from error
    return privates, publics


def _blocks(path: Path) -> list[bytes]:
    blocks = [match + b"\n" for match in _BLOCK.findall(path.read_bytes())]
    if not blocks:
        raise Failure(f"{path} holds no key.")
    return blocks


def _write(path: Path, blocks: Sequence[bytes]) -> None:
    write_private(path, b"".join(blocks))


def _new() -> bytes:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_of(private: bytes) -> bytes:
    key = load_pem_private_key(private, password=None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
