"""Who is calling: the gateway's signed assertion, checked once per request."""

import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from fastapi import Depends, Request
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import OKPKey

from chassis.keys import KeyFile, pem_blocks
from chassis.problems import Forbidden, Unauthenticated

ASSERTION_HEADER = "Millrace-Assertion"
ISSUER = "millrace-gateway"
AUDIENCE = "millrace"
ALGORITHM = "Ed25519"
#: Longest life of an assertion, in seconds.
LIFETIME = 60

Scope = Literal["read", "write", "predict"]
Role = Literal["user", "admin", "superuser"]
SCOPES: frozenset[str] = frozenset({"read", "write", "predict"})


@dataclass(frozen=True, slots=True)
class AllBut:
    """A filter that every value passes but these."""

    values: frozenset[int]


@dataclass(frozen=True, slots=True)
class Caller:
    """A person or an API key, acting for one tenant.

    `project` binds an API key to one project; it is None for people. `person_id` is the gateway's
    integer id of the person, or of the key's owner, and `role` the role of either.
    """

    tenant_id: str
    subject: str
    kind: Literal["person", "key"]
    role: Role = "user"
    scopes: frozenset[str] = SCOPES
    project: int | None = None
    person_id: int | None = None
    #: What a tenant's own roles allow; None means an ordinary member.
    permissions: frozenset[str] | None = None
    #: False for a key of another project than the tenant's default, which holds what belongs to no
    #: other: items, interactions, algorithms and their jobs. Older gateways do not say.
    reaches_default: bool = True
    #: Projects of other people, which an ordinary member does not see. No part of an assertion: a
    #: service knows it from its own copy of the projects, for each transaction anew.
    hidden: frozenset[int] = frozenset()

    @property
    def sees_all(self) -> bool:
        """Tell whether the projects of all people are the caller's to see: an administrator's, or
        those of an administrator's key.
        """
        return self.role in {"admin", "superuser"}

    @property
    def is_admin(self) -> bool:
        """Tell whether the caller is a person who administers the tenant."""
        return self.kind == "person" and self.role in {"admin", "superuser"}

    @property
    def is_operator(self) -> bool:
        """Tell whether the caller is the person who runs the platform."""
        return self.kind == "person" and self.role == "superuser"

    def may_see(self, project_id: int) -> bool:
        """Tell whether a project is within the caller's reach: that of its key, if it is one, and
        nobody else's own.
        """
        return self.project in {None, project_id} and project_id not in self.hidden

    def narrowed(
        self, where: Mapping[str, Any], *, project: str = "project"
    ) -> dict[str, Any] | None:
        """Return the filters of a list within the caller's reach, None where nothing can match.

        A key's project is added to the filters; one that names another project matches nothing.
        For who does not see all projects, `AllBut` those of others is added. `project` is the name
        of the filter that chooses a project.
        """
        wanted = where.get(project, self.project)
        if wanted is None:
            return {**where, project: AllBut(self.hidden)} if self.hidden else dict(where)
        if not self.may_see(wanted):
            return None
        return {**where, project: wanted}

    def to_claims(self) -> dict[str, Any]:
        """Return the caller's part of an assertion."""
        return {
            "sub": self.subject,
            "tenant": self.tenant_id,
            "kind": self.kind,
            "role": self.role,
            "scopes": sorted(self.scopes),
            "project": self.project,
            "person": self.person_id,
            "permissions": None if self.permissions is None else sorted(self.permissions),
            "default": self.reaches_default,
        }

    @classmethod
    def from_claims(cls, claims: dict[str, Any]) -> "Caller":
        """Return the caller that an assertion speaks of."""
        permissions = claims.get("permissions")
        return cls(
            tenant_id=claims["tenant"],
            subject=claims["sub"],
            kind=claims["kind"],
            role=claims["role"],
            scopes=frozenset(claims["scopes"]),
            project=claims.get("project"),
            person_id=claims.get("person"),
            permissions=None if permissions is None else frozenset(permissions),
            reaches_default=claims.get("default", True),
        )


class Verifier(Protocol):
    """Turns an assertion into its caller."""

    def verify(self, token: str) -> Caller:
        """Return the caller.

        Raises:
            Unauthenticated: the assertion is forged, expired or not meant for us.
        """
        ...


Keys = Callable[[], Sequence[OKPKey]]


def assertion_keys(content: bytes) -> tuple[OKPKey, ...]:
    """Return the keys of a PEM file's content, in order; each is named by its RFC 7638 thumbprint.

    Raises:
        ValueError: there is no key in it, or one of another kind than Ed25519.
    """
    return tuple(OKPKey.import_key(block) for block in pem_blocks(content))


class AssertionVerifier:
    """Checks assertions against the gateway's public keys; an answer is kept until it expires."""

    def __init__(
        self, public_keys: bytes | Keys, *, service: str | None = None, remembered: int = 4096
    ) -> None:
        """Take the public keys as PEM, or what returns the present ones.

        Only assertions for `service` count, and those for any service.
        """
        self._keys = _keys_of(public_keys)
        self._audiences = {AUDIENCE, audience_of(service)}
        self._known: OrderedDict[str, tuple[float, Caller]] = OrderedDict()
        self._remembered = remembered

    @classmethod
    def from_file(cls, path: Path, *, service: str) -> "AssertionVerifier":
        """Read the public keys from a PEM file, again whenever it changes."""
        return cls(KeyFile(path, assertion_keys), service=service)

    def verify(self, token: str) -> Caller:
        """Return the caller of a genuine, unexpired assertion."""
        known = self._known.get(token)
        if known is None:
            known = self._check(token)
            self._known[token] = known
            if len(self._known) > self._remembered:
                self._known.popitem(last=False)
        expires_at, caller = known
        if time.time() >= expires_at:
            self._known.pop(token, None)
            raise Unauthenticated("The assertion has expired.")
        return caller

    def _check(self, token: str) -> tuple[float, Caller]:
        try:
            claims = self._genuine(token)
            meant = claims["iss"] == ISSUER and claims["aud"] in self._audiences
            lives = float(claims["exp"]) - float(claims["iat"]) <= LIFETIME
            caller = Caller.from_claims(claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise Unauthenticated("The assertion is not valid.") from error
        if not (meant and lives):
            raise Unauthenticated("The assertion is not valid.")
        return float(claims["exp"]), caller

    def _genuine(self, token: str) -> dict[str, Any]:
        """Return the claims that one of the keys has signed."""
        *others, last = self._keys()
        for key in others:
            with contextlib.suppress(BadSignatureError):
                return jwt.decode(token, key, algorithms=[ALGORITHM]).claims
        return jwt.decode(token, last, algorithms=[ALGORITHM]).claims


class AssertionSigner:
    """Writes assertions with the gateway's private key."""

    def __init__(self, private_keys: bytes | Keys) -> None:
        """Take the private keys as PEM, or what returns the present ones; the first one signs."""
        self._keys = _keys_of(private_keys)

    @classmethod
    def from_file(cls, path: Path) -> "AssertionSigner":
        """Read the private keys from a PEM file, again whenever it changes."""
        return cls(KeyFile(path, assertion_keys))

    @property
    def key(self) -> OKPKey:
        """Return the key that signs at present."""
        return self._keys()[0]

    def sign(self, caller: Caller, *, service: str | None = None, lifetime: int = LIFETIME) -> str:
        """Return an assertion for one service, or for any, that lives `lifetime` seconds, at most
        60.
        """
        key = self.key
        issued = int(time.time())
        times = {"iat": issued, "exp": issued + min(lifetime, LIFETIME)}
        claims = {"iss": ISSUER, "aud": audience_of(service), **times, **caller.to_claims()}
        header = {"alg": ALGORITHM, "kid": key.thumbprint()}
        return jwt.encode(header, claims, key, algorithms=[ALGORITHM])


def audience_of(service: str | None) -> str:
    """Return the audience that a service's assertions name; None is every service."""
    return AUDIENCE if service is None else f"{AUDIENCE}-{service}"


def _keys_of(given: bytes | Keys) -> Keys:
    if not isinstance(given, bytes):
        return given
    keys = assertion_keys(given)
    return lambda: keys


def caller_of(request: Request) -> Caller:
    """Return the caller of a request, or refuse a stranger."""
    token = request.headers.get(ASSERTION_HEADER)
    if token is None:
        raise Unauthenticated("Authentication credentials were not provided.")
    caller: Caller = request.app.state.verifier.verify(token)
    return caller


# Dependencies are coroutines even where nothing awaits: a plain function costs a thread each time.
async def _caller(request: Request) -> Caller:
    return caller_of(request)


CurrentCaller = Annotated[Caller, Depends(_caller)]


def needs(*scopes: str) -> Any:
    """Return a dependency that lets in callers with any of the scopes."""

    async def check(request: Request) -> None:
        admitted(request, *scopes)

    return Depends(check)


def admitted(request: Request, *scopes: str) -> Caller:
    """Return the caller of a request, who needs any of the scopes."""
    caller = caller_of(request)
    if not caller.scopes.intersection(scopes):
        raise Forbidden(f"This needs the scope {' or '.join(scopes)}.")
    return caller


def of_default(*scopes: str) -> Any:
    """Return a dependency that lets in callers with any of the scopes who reach what the tenant's
    default project holds.
    """

    async def check(request: Request) -> None:
        refuse_elsewhere(admitted(request, *scopes))

    return Depends(check)


def refuse_elsewhere(caller: Caller) -> Caller:
    """Return the caller, who reaches what the tenant's default project holds.

    Raises:
        Forbidden: the caller is a key of another project.
    """
    if not caller.reaches_default:
        raise Forbidden("This API key is bound to another project than the default one.")
    return caller


async def needs_admin(caller: CurrentCaller) -> None:
    """Let in the tenant's administrators alone."""
    if not caller.is_admin:
        raise Forbidden("You do not have permission to perform this action.")


async def needs_person(caller: CurrentCaller) -> None:
    """Let in people, not API keys."""
    if caller.kind != "person":
        raise Forbidden("You do not have permission to perform this action.")
