"""How much of an upload may unfold, so that a small file cannot fill a machine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one table."""

    unpacked_bytes: int
    rows: int
    columns: int
    #: Longest single record, in bytes.
    record_bytes: int = 16 * 1024 * 1024
