"""The deletion of a tenant: when it began, and which services have erased what they held."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

#: Every service holds something of a tenant, so every one has to say that it holds nothing more.
SERVICES = ("billing", "catalog", "experiments", "gateway", "inference", "training")
#: Characters of a token are those of URL-safe base64.
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Receipt:
    """One service's word that it holds nothing more of a tenant."""

    service: str
    erased_at: datetime
    #: How many things of each kind were erased.
    erased: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Deletion:
    """A tenant's deletion as it stands."""

    tenant_id: str
    deleted_at: datetime
    receipts: Sequence[Receipt]

    @property
    def state(self) -> Literal["erasing", "erased"]:
        """Return `erased` once every service has sent its receipt."""
        return "erasing" if self.missing else "erased"

    @property
    def missing(self) -> list[str]:
        """Return the services that have not sent their receipts."""
        return sorted(set(SERVICES) - {receipt.service for receipt in self.receipts})


def new_token() -> str:
    """Return a secret that shows a deletion to whoever has it: 43 characters."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def digest_of(token: str) -> str:
    """Return what is kept of a token: it is random, so a plain hash tells nothing of it."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
