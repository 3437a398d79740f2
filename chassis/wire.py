"""House style of the wire: base models, checked JSON, list envelopes, routers with a dialect."""

import math
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from functools import cache, cached_property
from inspect import iscoroutinefunction, signature
from types import UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from chassis.hosts import is_host
from chassis.ids import MAX_ID
from chassis.methods import without_stream
from chassis.problems import Invalid, Malformed, NotFound, UnsupportedMedia
from chassis.reading import with_json
from chassis.validation import problem_of

#: Largest JSON value that a tenant may hang on a thing, in characters, and its deepest nesting.
MAX_JSON_CHARACTERS = 64 * 1024
MAX_JSON_DEPTH = 32


_JSON = ("application/json", "application/problem+json")
Handle = Callable[[Request], Coroutine[Any, Any, Response]]


class Wire(BaseModel):
    """A body in snake case. Unknown members are ignored."""

    model_config = ConfigDict(extra="ignore", from_attributes=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_booleans_as_numbers(cls, sent: Any) -> Any:
        # Pydantic reads true as 1. It is made a text that is no number, so that it is refused as
        # any other.
        if not isinstance(sent, dict):
            return sent
        wrong = [name for name in _numbers_of(cls) if isinstance(sent.get(name), bool)]
        return {**sent, **dict.fromkeys(wrong, "boolean")} if wrong else sent


@cache
def _numbers_of(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the members of a model that are numbers, under each of their names."""
    found = [
        (name, field.alias)
        for name, field in model.model_fields.items()
        if {int, float} & set(_kinds_in(field.annotation))
    ]
    return tuple(name for names in found for name in names if name is not None)


def _kinds_in(annotation: Any) -> Iterator[Any]:
    """Yield the alternatives of an annotation, each without what is annotated."""
    if isinstance(annotation, type) or not get_args(annotation):
        yield annotation
    elif get_origin(annotation) is Annotated:
        yield from _kinds_in(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for each in get_args(annotation):
            yield from _kinds_in(each)


class CamelWire(Wire):
    """A body in camel case; snake case is understood too."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


def _printable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("Null characters are not allowed.")
    return text


def _storable(value: Any) -> Any:
    """Check a JSON value of any shape: bounded, and writable in every store."""
    if _weigh(value, depth=0) > MAX_JSON_CHARACTERS:
        raise ValueError(f"The value may have {MAX_JSON_CHARACTERS} characters as JSON.")
    return value


def _weigh(value: Any, *, depth: int) -> int:
    if depth > MAX_JSON_DEPTH:
        raise ValueError(f"The value may be nested {MAX_JSON_DEPTH} levels deep.")
    if isinstance(value, str):
        _printable(value)
        try:
            return len(value.encode())
        except UnicodeEncodeError:
            raise ValueError("Not a valid string.") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("Numbers must be finite.")
    if isinstance(value, int) and abs(value) > MAX_ID:
        raise ValueError("Numbers must fit into 64 bits.")
    if isinstance(value, Mapping):
        return sum(
            _weigh(key, depth=depth) + _weigh(each, depth=depth + 1) for key, each in value.items()
        )
    if isinstance(value, list):
        return sum(1 + _weigh(each, depth=depth + 1) for each in value)
    return 8


#: Text without NUL characters, which PostgreSQL cannot hold.
Text = Annotated[str, AfterValidator(_printable)]
#: A name of 1 to 256 characters that is not blank.
Name = Annotated[
    str, Field(min_length=1, max_length=256, pattern=r"\S"), AfterValidator(_printable)
]
#: A JSON object or any JSON value that a tenant may store.
JsonObject = Annotated[dict[str, Any], AfterValidator(_storable)]
JsonValue = Annotated[Any, AfterValidator(_storable)]
#: An integer key in a body. A text that spells one counts, as in Recotem.
Key = Annotated[int, Field(ge=-MAX_ID, le=MAX_ID)]
#: An ordinary integer in a body.
Whole = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
#: A fraction, share or weight in a body: finite, and bounded by whoever uses it.
Real = Annotated[float, Field(allow_inf_nan=False)]


class Dialect(APIRoute):
    """A route that answers refused values with its dialect's status."""

    refusal: ClassVar[int]

    def get_route_handler(self) -> Handle:
        """Return the handler, with validation errors turned into problems."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return self._told(handle)

        async def read(request: Request) -> Response:
            return await handle(await with_json(request))

        return self._told(read)

    @cached_property
    def bare(self) -> Handle | None:
        """Return what answers at one fixed path without the router: a function of the request and
        nothing else, in a dialect that adds nothing to how routes are handled.
        """
        if type(self).get_route_handler is not Dialect.get_route_handler:
            return None
        needs = self.dependant
        resolved = [needs.path_params, needs.query_params, needs.header_params]
        resolved += [needs.cookie_params, needs.body_params]
        takes = list(signature(self.endpoint).parameters)
        gives = get_type_hints(self.endpoint).get("return")
        is_bare = takes == [needs.request_param_name] and gives is Response
        if any(resolved) or needs.dependencies or not is_bare or "{" in self.path:
            return None
        if not iscoroutinefunction(self.endpoint):
            return None
        return self._told(self.endpoint)

    def _told(self, handle: Handle) -> Handle:
        readable = _media_types(self.openapi_extra) or _JSON
        # What is read by hand is what it should be, unless the client says otherwise.
        assumed = "" if self.body_field is not None else readable[0]

        async def handled(request: Request) -> Response:
            kind = request.headers.get("content-type", assumed)
            if not kind.lower().startswith(readable) and _has_body(request):
                raise UnsupportedMedia(_unsupported(kind, readable))
            try:
                return without_stream(request, await handle(request))
            except RequestValidationError as error:
                raise problem_of(error.errors(), status=self.refusal) from error

        return handled


def _media_types(document: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the media types that a route's own part of the OpenAPI document names."""
    body: Mapping[str, Any] = (document or {}).get("requestBody", {})
    return tuple(body.get("content", ()))


def _unsupported(kind: str, readable: tuple[str, ...]) -> str:
    return f'Unsupported media type "{kind}" in request. This path reads {readable[0]}.'


def _has_body(request: Request) -> bool:
    """Tell whether a body comes: many clients name a media type for nothing at all."""
    headers = request.headers
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


class BadRequestRoute(Dialect):
    """Recotem's management API and RecommendAI: 400."""

    refusal = 400


class UnprocessableRoute(Dialect):
    """Recotem's inference API and the machine-learning APIs: 422."""

    refusal = 422


def router(*, refusal: int = 400, **settings: Any) -> APIRouter:
    """Return a router whose dialect answers refused values with 400 or 422."""
    kinds: dict[int, type[APIRoute]] = {400: BadRequestRoute, 422: UnprocessableRoute}
    return APIRouter(route_class=kinds[refusal], **settings)


class Page:
    """A page of a list: which one and how long. Dialects differ in names and bounds."""

    def __init__(self, number: int, size: int) -> None:
        """Count pages from 1."""
        self.number = number
        self.size = size

    @property
    def offset(self) -> int:
        """Return how many rows come before this page."""
        return (self.number - 1) * self.size


async def _numbered_page(
    page: Annotated[str, Query()] = "1", page_size: Annotated[str, Query()] = "20"
) -> Page:
    """Read numbered paging: a page that is no number is not found, a large size is clamped."""
    if not _is_count(page):
        raise NotFound("Invalid page.")
    size = int(page_size) if _is_count(page_size) else 20
    return Page(int(page), min(size, 100))


async def _camel_page(
    page: Annotated[int, Query(ge=1, le=2**31)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100, alias="pageSize")] = 20,
) -> Page:
    """Read camel-case paging."""
    return Page(page, page_size)


NumberedPage = Annotated[Page, Depends(_numbered_page)]
CamelPage = Annotated[Page, Depends(_camel_page)]


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= 1


def counted(request: Request, page: Page, *, total: int, rows: Sequence[Any]) -> dict[str, Any]:
    """Return the envelope of counted lists: count, next, previous, results.

    Raises:
        NotFound: the page lies beyond the last one.
    """
    if page.number > 1 and page.offset >= total:
        raise NotFound("Invalid page.")
    last = page.offset + page.size >= total
    return {
        "count": total,
        "next": None if last else _page_url(request, page.number + 1),
        "previous": None if page.number == 1 else _page_url(request, page.number - 1),
        "results": list(rows),
    }


def enveloped(page: Page, *, total: int, rows: Sequence[Any]) -> dict[str, Any]:
    """Return the envelope of camel-case lists: data, total, page, pageSize."""
    return {"data": list(rows), "total": total, "page": page.number, "pageSize": page.size}


def public_base(request: Request) -> str:
    """Return the scheme and host that the client used, as the gateway tells them.

    Raises:
        Malformed: the host is none, or the scheme is not of the web: no link can be made of them.
    """
    scheme = request.headers.get("x-forwarded-proto", request.scope["scheme"])
    host = request.headers.get("x-forwarded-host") or request.headers.get("host", "localhost")
    if scheme not in {"http", "https"} or not is_host(host.encode("latin-1")):
        raise Malformed("The Host header holds no host.")
    return f"{scheme}://{host}"


def _page_url(request: Request, number: int) -> str:
    query = [(k, v) for k, v in request.query_params.multi_items() if k != "page"]
    if number > 1:
        query.append(("page", str(number)))
    rest = f"?{urlencode(query)}" if query else ""
    return f"{public_base(request)}{request.url.path}/{rest}"


def filters(request: Request, **kinds: type) -> dict[str, Any]:
    """Return the exact-match filters of a query, typed; unknown parameters are ignored.

    Raises:
        Invalid: a value does not have its filter's type.
    """
    found: dict[str, Any] = {}
    for name, kind in kinds.items():
        text = request.query_params.get(name)
        if text is None or text == "":
            continue
        found[name] = _typed(name, text, kind)
    return found


def documented_filters(**kinds: type) -> dict[str, Any]:
    """Return what the OpenAPI document says of filters, which are read by hand."""
    names = {int: "integer", bool: "boolean", str: "string"}
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": {"type": names[kind]}}
            for name, kind in kinds.items()
        ]
    }


def _typed(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() not in {"true", "false", "1", "0"}:
            raise Invalid(fields={name: ["Must be a valid boolean."]})
        return text.lower() in {"true", "1"}
    if kind is int:
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
            raise Invalid(fields={name: ["Enter a number."]})
        return int(text)
    if "\x00" in text:
        raise Invalid(fields={name: ["Null characters are not allowed."]})
    return text
