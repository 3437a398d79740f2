"""Every way a request can fail, spelled once: problem details (RFC 9457) with a code."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

FieldMessages = Mapping[str, Sequence[Any]]

PROBLEM_JSON = "application/problem+json"
NON_FIELD = "non_field_errors"
#: Longest message in a problem, in characters: some quote what was sent.
MAX_MESSAGE = 1024


class Problem(Exception):
    """A refusal that the client is told about. Subclasses are constants of the platform."""

    status: int = 500
    code: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        detail: str | None = None,
        *,
        fields: FieldMessages | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
        code: str | None = None,
        status: int | None = None,
    ) -> None:
        """Describe what went wrong: a sentence, messages per field, extra members of the body."""
        self.status = status or self.status
        self.detail = detail or _first_message(fields) or HTTPStatus(self.status).phrase
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})
        self.members = dict(members or {})
        self.code_constant = code or self.code
        super().__init__(self.detail)

    def to_dict(self, *, instance: str, trace_id: str) -> dict[str, Any]:
        """Return the body. Field messages stand both in `errors` and as members of their own."""
        phrase = HTTPStatus(self.status).phrase
        fields = {
            name: [bounded(text) if isinstance(text, str) else text for text in texts]
            for name, texts in self.fields.items()
        }
        body: dict[str, Any] = {**fields, **self.members}
        body |= {
            "type": f"urn:millrace:problem:{self.code_constant.lower().replace('_', '-')}",
            "title": phrase,
            "status": self.status,
            "detail": bounded(self.detail),
            "instance": instance,
            "traceId": trace_id,
            "code": self.code_constant,
        }
        if fields:
            body["errors"] = [
                {"field": name, "message": text if isinstance(text, str) else str(text)}
                for name, texts in fields.items()
                for text in texts
                if text
            ]
        return body


class Malformed(Problem):
    """The request cannot be read: broken JSON, broken encoding."""

    status = 400
    code = "INVALID_REQUEST"


class Invalid(Problem):
    """The request can be read, but values in it are refused. The dialect sets 400 or 422."""

    status = 400
    code = "VALIDATION_ERROR"


class Unprocessable(Invalid):
    """As Invalid, for the dialects that answer 422."""

    status = 422


class Unauthenticated(Problem):
    """Nobody knows who is asking."""

    status = 401
    code = "UNAUTHENTICATED"


class Forbidden(Problem):
    """The caller's own role or scope does not allow this."""

    status = 403
    code = "FORBIDDEN"


class PaymentRequired(Problem):
    """The overage cap of the billing cycle is reached."""

    status = 402
    code = "OVERAGE_CAP_REACHED"


class NotFound(Problem):
    """There is no such thing, or it belongs to another tenant: the answer is the same."""

    status = 404
    code = "NOT_FOUND"

    @classmethod
    def of(cls, noun: str) -> "NotFound":
        """Return the answer for a noun that no query found, such as 'Project'."""
        return cls(f"No {noun} matches the given query.")


class MethodNotAllowed(Problem):
    """The path exists, the method does not."""

    status = 405
    code = "METHOD_NOT_ALLOWED"


class Conflict(Problem):
    """The request contradicts the present state."""

    status = 409
    code = "CONFLICT"


class TooLarge(Problem):
    """The body is larger than the limit."""

    status = 413
    code = "PAYLOAD_TOO_LARGE"


class UnsupportedMedia(Problem):
    """The body's media type is not one that the route reads."""

    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"


class TooManyRequests(Problem):
    """A rate limit is exceeded."""

    status = 429
    code = "RATE_LIMIT_EXCEEDED"


class Unavailable(Problem):
    """Something the answer needs is away; the same request may succeed later."""

    status = 503
    code = "SERVICE_UNAVAILABLE"

    def __init__(self, detail: str | None = None, *, retry_after: int = 1, **rest: Any) -> None:
        """Say what is away and after how many seconds to ask again."""
        super().__init__(detail, headers={"Retry-After": str(retry_after)}, **rest)


BY_STATUS: dict[int, type[Problem]] = {
    cls.status: cls
    for cls in (
        Malformed,
        Unauthenticated,
        PaymentRequired,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        Conflict,
        TooLarge,
        UnsupportedMedia,
        Unprocessable,
        TooManyRequests,
        Unavailable,
    )
}


def unknown_reference(field: str, value: object) -> Invalid:
    """Return the answer for a reference to what does not exist, or is another tenant's."""
    return Invalid(fields={field: [f'Invalid pk "{value}" - object does not exist.']})


def bounded(message: str) -> str:
    """Return a message, cut where it quotes more than anybody reads."""
    return message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]}…"


def _first_message(fields: FieldMessages | None) -> str | None:
    for name, texts in (fields or {}).items():
        for text in texts:
            if isinstance(text, str):
                return text if name == NON_FIELD else f"{name}: {text}"
    return "The request holds invalid values." if fields else None
