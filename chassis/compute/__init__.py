"""Where long work is done: elsewhere than in a service. The URL's scheme picks the adapter."""

from urllib.parse import parse_qsl, urlsplit

from chassis.compute.port import (
    Compute,
    ComputeUnavailable,
    Report,
    State,
    Status,
    WorkInvalid,
    WorkNotFound,
)


def open_compute(url: str, *, threads: int | None = None, silence: float | None = None) -> Compute:
    """Return the compute behind `process://[?workers=…]`.

    Numerical libraries in a piece of work use `threads` threads, or its share of the cores. A piece
    without a sign of life for `silence` seconds is killed.

    Raises:
        ComputeUnavailable: the URL names a Ray cluster, for which this build has no adapter.
    """
    parts = urlsplit(url)
    match parts.scheme:
        case "process":
            from chassis.compute.embedded import SILENCE_SECONDS, ProcessCompute

            workers = _workers(parts.netloc + parts.path, parts.query)
            quiet = SILENCE_SECONDS if silence is None else silence
            return ProcessCompute(workers=workers, threads=threads, silence=quiet)
        case "ray":
            raise ComputeUnavailable("Ray is not available in this build: use process://")
        case other:
            raise ValueError(f"no compute speaks {other!r}: use process")


def _workers(place: str, query: str) -> int | None:
    match parse_qsl(query, keep_blank_values=True):
        case [] if not place:
            return None
        case [("workers", number)] if not place and number.isdecimal() and int(number) > 0:
            return int(number)
    raise ValueError("a compute URL is process://[?workers=<number>]")


__all__ = [
    "Compute",
    "ComputeUnavailable",
    "Report",
    "State",
    "Status",
    "WorkInvalid",
    "WorkNotFound",
    "open_compute",
]
