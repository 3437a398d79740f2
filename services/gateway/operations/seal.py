"""A seal for secrets in the database: who steals the database alone cannot sign tokens."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chassis.keys import KeyFile, pem_blocks

_NONCE = 12
_PURPOSE = b"millrace gateway token keys"


class Seal:
    """AES-GCM under keys that are derived from the gateway's private assertion keys: the first one
    closes, each opens.
    """

    def __init__(self, secrets: Callable[[], Sequence[bytes]]) -> None:
        """Derive the keys from what `secrets` returns at present."""
        self._secrets = secrets
        self._ciphers: dict[bytes, AESGCM] = {}

    @classmethod
    def from_file(cls, path: Path) -> "Seal":
        """Derive the keys from a PEM file, which is read again whenever it changes."""
        return cls(KeyFile(path, _secrets_of))

    def close(self, plain: bytes) -> bytes:
        """Return the sealed form."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher(self._secrets()[0]).encrypt(nonce, plain, None)

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            InvalidTag: it was sealed by another secret, or changed since.
        """
        *others, last = self._secrets()
        for secret in others:
            with contextlib.suppress(InvalidTag):
                return self._opened(sealed, secret)
        return self._opened(sealed, last)

    def is_closed_by_first(self, sealed: bytes) -> bool:
        """Tell whether the secret that closes at present closed this."""
        try:
            self._opened(sealed, self._secrets()[0])
        except InvalidTag:
            return False
        return True

    def _opened(self, sealed: bytes, secret: bytes) -> bytes:
        return self._cipher(secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)

    def _cipher(self, secret: bytes) -> AESGCM:
        if secret not in self._ciphers:
            derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)
            self._ciphers[secret] = AESGCM(derived)
        return self._ciphers[secret]


def _secrets_of(content: bytes) -> Sequence[bytes]:
    """Return the secrets in a key file: a file of one key is a secret as it stands."""
    blocks = pem_blocks(content)
    return [content] if len(blocks) == 1 else blocks
