"""An identity: the caller behind a credential, and until when the credential speaks for them."""

from dataclasses import dataclass

from chassis.identity import Caller


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a credential speaks for."""

    caller: Caller
    #: Name under which the caller's requests are counted.
    counted_as: str
    #: Epoch seconds after which the credential is worth nothing; None where it does not end.
    ends_at: float | None = None
    #: The session of a person's token.
    session_uid: str | None = None
    #: The row of an API key, for its last use.
    key_id: int | None = None
