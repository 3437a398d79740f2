"""The tokens that people carry: JWTs signed with Ed25519 under the widely known name EdDSA."""

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning

from chassis.ids import new_uid
from chassis.problems import Unauthenticated
from gateway.operations.token_keys import KeyRing

ALGORITHM = "EdDSA"
Kind = Literal["access", "refresh", "invitation"]


class Tokens:
    """Writes and reads tokens."""

    def __init__(self, ring: KeyRing, *, issuer: str, audience: str) -> None:
        """Sign with the ring's newest key, in the name of `issuer`, for `audience`."""
        self._ring = ring
        self._issuer = issuer
        self._audience = audience

    def write(self, kind: Kind, claims: Mapping[str, Any], *, lifetime: int) -> str:
        """Return a token that lives `lifetime` seconds."""
        kid, key = self._ring.signer
        issued = int(time.time())
        body = {
            "iss": self._issuer,
            "aud": self._audience,
            "iat": issued,
            "exp": issued + lifetime,
            "jti": new_uid().replace("-", ""),
            "token_type": kind,
            **claims,
        }
        header = {"alg": ALGORITHM, "typ": "JWT", "kid": kid}
        with _widely_known_name():
            return jwt.encode(header, body, key, algorithms=[ALGORITHM])

    async def read(self, token: str, kind: Kind) -> dict[str, Any]:
        """Return the claims of a genuine, unexpired token of one kind.

        Raises:
            Unauthenticated: it is not one.
        """
        try:
            claims = await self._checked(token)
        except (JoseError, ValueError, KeyError, TypeError, AttributeError, UnicodeError) as error:
            raise not_valid() from error
        genuine = (
            claims.get("iss") == self._issuer
            and claims.get("aud") == self._audience
            and claims.get("token_type") == kind
            and isinstance(claims.get("exp"), int)
            and claims["exp"] > time.time()
        )
        if not genuine:
            raise not_valid()
        return claims

    async def _checked(self, token: str) -> dict[str, Any]:
        header = jws.extract_compact(token.encode("ascii")).headers()
        key = await self._ring.find(str(header.get("kid")))
        if key is None or header.get("alg") != ALGORITHM:
            raise not_valid()
        with _widely_known_name():
            # The one algorithm is ours, never the header's: nothing unsigned and nothing
            # symmetric passes.
            return jwt.decode(token, key, algorithms=[ALGORITHM]).claims


def not_valid() -> Unauthenticated:
    """Return the refusal of a token that is no longer, or never was, worth anything."""
    return Unauthenticated("Token is invalid", code="TOKEN_NOT_VALID")


@contextmanager
def _widely_known_name() -> Iterator[None]:
    # RFC 9864 renames EdDSA to Ed25519; clients' libraries know the old name.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)
        yield
