"""A request that may pass: what came, where it leads, and who is asking."""

from dataclasses import dataclass

from starlette.types import Receive, Scope

from gateway.domain.routing import Match
from gateway.forwarding.gate import Admission
from gateway.forwarding.headers import extra_for
from gateway.forwarding.incoming import Headers, Incoming


@dataclass(slots=True)
class Arrival:
    """A request that was let in."""

    scope: Scope
    receive: Receive
    incoming: Incoming
    match: Match
    admission: Admission
    #: When it came, in nanoseconds since 1970.
    began: int

    @property
    def is_upload(self) -> bool:
        """Tell whether its body is a file, which takes as long as it takes."""
        return self.incoming.is_multipart and self.incoming.has_body

    @property
    def extra(self) -> Headers:
        """Return the headers that the gateway adds to its answer."""
        return extra_for(self.match, self.admission)

    @property
    def who(self) -> tuple[str, str]:
        """Return the tenant and the holder of its credential, or nobody and an address."""
        if self.admission.known is not None:
            caller = self.admission.known.identity.caller
            return caller.tenant_id, caller.subject
        client = self.scope.get("client")
        return "", client[0] if client else ""
