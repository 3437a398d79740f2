"""The routing table: from a path to its owner, by the longest prefix of whole segments.

`/*/name` below a prefix of the table stands for that name below any one segment: what somebody else
than the owner of a thing does with it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from contracts.http import NOTICE_BODY_BYTES, PUBLIC_BODY_BYTES, Cost
from gateway.domain.doors import Door

Row = (
    tuple[str, str, Door, str | None]
    | tuple[str, str, Door, str | None, Cost]
    | tuple[str, str, Door, str | None, Cost, str]
)


@dataclass(frozen=True, slots=True)
class Route:
    """Where the paths below a prefix lead."""

    prefix: str
    owner: str
    door: Door
    #: Which limit counts a request: `api` (by the caller's kind), `inference`, `login`,
    #: `registration`, `webhooks`, or none.
    zone: str | None
    #: What a request is billed; absent where nothing is.
    cost: Cost | None = None
    #: The method that is billed; the others are free.
    billed: str = "POST"
    #: Whether files come to the prefix itself.
    takes_files: bool = False

    @property
    def body_bytes(self) -> int | None:
        """Return the most bytes of a body that comes here; None: the setting bounds it."""
        if not self.door.is_public:
            return None
        return NOTICE_BODY_BYTES if self.zone == "webhooks" else PUBLIC_BODY_BYTES

    def cost_of(self, method: str) -> Cost | None:
        """Return what a request of a method costs, or None. HEAD does what GET does."""
        return self.cost if self.billed == ("GET" if method == "HEAD" else method) else None


@dataclass(frozen=True, slots=True)
class Match:
    """A route with the path as its owner knows it, in the spelling of `chassis.paths.written`."""

    route: Route
    path: str
    #: Whether the client used a deprecated spelling of the path.
    is_alias: bool = False

    @property
    def takes_files(self) -> bool:
        """Tell whether files come to this very path."""
        return self.route.takes_files and self.path == self.route.prefix


class Table:
    """All routes, and the spellings that stand for others."""

    def __init__(self, routes: Iterable[Route], aliases: Sequence[tuple[str, str]] = ()) -> None:
        """Take the routes in any order."""
        self.routes = tuple(routes)
        self._aliases = aliases
        # A prefix that ends in a slash stands for that path alone.
        self._exact = {r.prefix.rstrip("/"): r for r in self.routes if r.prefix.endswith("/")}
        self._below = {r.prefix: r for r in self.routes if not r.prefix.endswith("/")}
        self._actions: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            prefix, wildcard, name = route.prefix.partition("/*/")
            if wildcard:
                self._actions.setdefault(prefix, {})[name] = route

    def find(self, path: str) -> Match | None:
        """Return the match of a written path, or None."""
        if "//" in f"{path}/":
            return None
        route = self._find(path)
        if route is not None:
            return Match(route, path)
        for old, new in self._aliases:
            if path.startswith(f"{old}/") and not path.startswith(f"{new}/"):
                renamed = new + path[len(old) :]
                route = self._find(renamed)
                if route is not None:
                    return Match(route, renamed, is_alias=True)
        return None

    def _find(self, path: str) -> Route | None:
        route = self._exact.get(path)
        prefix = path
        while route is None and prefix:
            route = self._below.get(prefix)
            prefix = prefix[: prefix.rfind("/")] if prefix.rfind("/") >= 0 else ""
        if route is None or route.prefix not in self._actions:
            return route
        _thing, _, rest = path.removeprefix(f"{route.prefix}/").partition("/")
        return self._actions[route.prefix].get(rest.partition("/")[0], route)


def table(
    *rows: Row, files: Collection[str] = (), aliases: Sequence[tuple[str, str]] = ()
) -> Table:
    """Return the table of these rows: prefix, owner, door, zone and, where something is billed, the
    cost and the method if it is not POST. Files come to the prefixes `files`.
    """
    routes = (Route(*row) for row in rows)
    return Table((replace(each, takes_files=each.prefix in files) for each in routes), aliases)


def is_ambiguous(path: str) -> bool:
    """Tell whether a written path has a segment `.` or `..`, which others would resolve."""
    return "/." in path and any(segment in {".", ".."} for segment in path.split("/"))
