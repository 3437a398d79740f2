"""A seal for secrets in the database: who steals the database alone cannot sign tokens."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12
_PURPOSE = b"millrace gateway token keys"


class Seal:
    """AES-GCM under a key that is derived from the gateway's assertion key."""

    def __init__(self, secret: bytes) -> None:
        """Derive the key from a secret."""
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)
        self._cipher = AESGCM(derived)

    @classmethod
    def from_file(cls, path: Path) -> "Seal":
        """Derive the key from a secret file."""
        return cls(path.read_bytes())

    def close(self, plain: bytes) -> bytes:
        """Return the sealed form."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, None)

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            InvalidTag: it was sealed by another secret, or changed since.
        """
        return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
