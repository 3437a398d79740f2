"""How much of an upload may unfold, so that a small file cannot fill a machine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one table."""

    unpacked_bytes: int
    rows: int
    columns: int
    #: Longest single record, and largest JSON file that holds columns instead of records.
    record_bytes: int = 1024 * 1024
    columns_bytes: int = 16 * 1024 * 1024
    #: Most lists and objects around each other in one value.
    depth: int = 32
    #: Memory of the process that decodes somebody else's Parquet.
    memory_bytes: int = 1024 * 1024 * 1024
