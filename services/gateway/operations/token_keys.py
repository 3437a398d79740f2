"""The ring of keys that sign people's tokens: kept sealed, followed by a new one in time, told to
everybody.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from math import inf
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc.jwk import OKPKey

from chassis import telemetry
from chassis.database import Database, Transaction
from chassis.ids import new_uid
from gateway.operations.seal import Seal
from gateway.store import token_keys
from gateway.store.token_keys import TokenKey

_LOOK_EVERY = 30
#: Seconds after which the ring is read again for a name that is not in it.
_READ_AGAIN_AFTER = 1.0
#: How long a new key is published before it signs: answers with the key set may be kept for 60 s.
_PUBLISHED_FIRST = timedelta(minutes=2)


class KeyRing:
    """All keys that tokens may be signed with; the newest one signs once it is widely known."""

    def __init__(
        self, database: Database, *, seal: Seal, rotate_after: timedelta, keep: timedelta
    ) -> None:
        """Follow a key after `rotate_after`; keep it for tokens in use for `keep` longer."""
        self._database = database
        self._seal = seal
        self._rotate_after = rotate_after
        self._keep = keep
        self._public: dict[str, OKPKey] = {}
        self._signer: tuple[str, OKPKey] | None = None
        self._reading = asyncio.Lock()
        self._read_at = -inf

    async def start(self) -> None:
        """Read the keys, and make the first one."""
        await self.rotate()

    async def stop(self) -> None:
        """Nothing is held open."""

    async def run(self) -> None:
        """Look now and then whether a new key is due, or another gateway made one."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            await self.rotate()

    async def rotate(self, *, now: bool = False) -> None:
        """Make a new key where one is due, seal all under the newest assertion key, forget what no
        token can need, and read the ring.
        """
        async with self._database.transaction(tenant_id=None) as tx:
            await tx.take_turns("token keys")  # one new key is enough for all gateways
            kept = await token_keys.all_keys(tx)
            due = now or not kept or tx.clock() - kept[0].created_at >= self._rotate_after
            if due or await reseal(tx, kept, self._seal) == len(kept):
                await token_keys.add(tx, self._new(tx.clock()))
            stale = [
                old.kid
                for old, newer in zip(kept[1:], kept, strict=False)
                if tx.clock() - newer.created_at > self._keep
            ]
            await token_keys.forget(tx, stale)
        await self._read()

    @property
    def signer(self) -> tuple[str, OKPKey]:
        """Return the key that signs, with its name."""
        if self._signer is None:
            raise LookupError("the key ring has not been read")
        return self._signer

    async def find(self, kid: str) -> OKPKey | None:
        """Return a public key by its name; an unknown one may be another gateway's newest."""
        if kid not in self._public:
            async with self._reading:  # those that nobody made queue up alone
                if kid not in self._public and self._may_read():
                    await self._read()
        return self._public.get(kid)

    def _may_read(self) -> bool:
        """Tell whether the ring may be read for an unknown name: not again for each that is made
        up. A new key is published long before it signs.
        """
        return time.monotonic() - self._read_at >= _READ_AGAIN_AFTER

    def opens(self, key: TokenKey) -> bool:
        """Tell whether an assertion key that is here opens a token key's private half."""
        return _unsealed(key, self._seal) is not None

    def published(self) -> dict[str, Any]:
        """Return the key set that lets anybody check tokens."""
        keys = [
            {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": "EdDSA"}
            for kid, key in self._public.items()
        ]
        return {"keys": keys}

    async def _read(self) -> None:
        self._read_at = time.monotonic()
        async with self._database.transaction(tenant_id=None, write=False) as tx:
            kept = await token_keys.all_keys(tx)
            published_by = tx.clock() - _PUBLISHED_FIRST
        self._public = {key.kid: OKPKey.import_key(key.public_pem) for key in kept}
        # The newest that everybody can know of signs; where none is that old, the oldest does.
        known = [key for key in kept if key.created_at <= published_by]
        young = [key for key in kept if key.created_at > published_by]
        for key in [*known, *reversed(young)]:
            private = _unsealed(key, self._seal)
            if private is not None:
                self._signer = key.kid, OKPKey.import_key(private)
                return

    def _new(self, created_at: Any) -> TokenKey:
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return TokenKey(new_uid(), public, self._seal.close(private), created_at)


async def reseal(tx: Transaction, keys: Sequence[TokenKey], seal: Seal) -> int:
    """Seal keys under the newest assertion key; return how many no assertion key here opens."""
    lost = 0
    for key in keys:
        private = _unsealed(key, seal)
        if private is None:
            lost += 1
        elif not seal.is_closed_by_first(key.sealed_private):
            await token_keys.seal(tx, key.kid, seal.close(private))
    return lost


def _unsealed(key: TokenKey, seal: Seal) -> bytes | None:
    try:
        return seal.open(key.sealed_private)
    except InvalidTag:
        telemetry.log.warning("no assertion key here opens token key %s", key.kid)
        return None
