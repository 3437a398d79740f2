"""API keys: how they look, how they are kept, and whether one may still be used."""

import hashlib
import hmac
import secrets
from base64 import b64decode
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

MARK = "rctm_"
_RANDOM_BYTES = 48
_PREFIX = 8
#: More rounds than anybody's import needs; a stored number beyond it would be an attack on
#: ourselves.
_MOST_ROUNDS = 5_000_000


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of a project. The key itself is shown once and never kept."""

    id: int
    uid: str
    tenant_id: str
    project: int
    name: str
    scopes: tuple[str, ...]
    key_prefix: str
    owner_id: int
    is_active: bool
    ins_datetime: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None

    def expired(self, now: datetime) -> bool:
        """Tell whether the key's time is over."""
        return self.expires_at is not None and self.expires_at <= now


def new_key() -> str:
    """Return a fresh key: the mark and 64 url-safe characters."""
    return MARK + secrets.token_urlsafe(_RANDOM_BYTES)


def prefix_of(key: str) -> str:
    """Return the part of a key that may be shown."""
    return key.removeprefix(MARK)[:_PREFIX]


def looks_like_a_key(text: str) -> bool:
    """Tell whether a text can be a key at all, so that junk costs no look-up."""
    return len(text) >= len(MARK) + _PREFIX and len(text) <= 256 and text.isascii()


def digest_of(key: str, *, salt: str | None = None) -> str:
    """Return what is kept of a key. It is random enough that a fast, keyed hash protects it."""
    salt = salt or secrets.token_hex(16)
    digest = hashlib.blake2b(key.encode(), key=bytes.fromhex(salt), digest_size=32)
    return f"blake2b${salt}${digest.hexdigest()}"


def matches(key: str, kept: str) -> bool:
    """Tell whether a key is the one that was kept, by our hash or by Recotem's PBKDF2."""
    kind, _, rest = kept.partition("$")
    if kind == "blake2b":
        return hmac.compare_digest(digest_of(key, salt=rest.partition("$")[0]), kept)
    if kind == "pbkdf2_sha256":
        return _matches_pbkdf2(key, rest)
    return False


def is_slow(kept: str) -> bool:
    """Tell whether a kept hash costs too much for every look-up, as imported ones do."""
    return not kept.startswith("blake2b$")


def _matches_pbkdf2(key: str, kept: str) -> bool:
    rounds, salt, digest = [*kept.split("$"), "", ""][:3]
    if not rounds.isdecimal() or not 0 < int(rounds) <= _MOST_ROUNDS:
        return False
    found = hashlib.pbkdf2_hmac("sha256", key.encode(), salt.encode(), int(rounds))
    try:
        return hmac.compare_digest(found, b64decode(digest, validate=True))
    except ValueError:
        return False


def scope_complaint(scopes: Collection[object] | object) -> str | None:
    """Return what is wrong with a list of scopes, or None."""
    if not isinstance(scopes, list):
        return "Scopes must be a list."
    if not scopes:
        return "At least one scope is required."
    for scope in scopes:
        if scope not in ("read", "write", "predict"):
            return f"Invalid scope '{scope}'. Valid scopes: ['read', 'write', 'predict']"
    return None
