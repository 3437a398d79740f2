"""Which kind of table a file's name promises."""

from dataclasses import dataclass

TEXT_FORMATS = (".csv", ".tsv", ".json", ".ndjson", ".jsonl")
_PACKED = (".gz", ".gzip")
_LISTED = "/".join(TEXT_FORMATS)


class Unreadable(Exception):
    """The file is no table that can be read; its arguments are sentences for whoever sent it."""


@dataclass(frozen=True, slots=True)
class Format:
    """A file's format by its suffixes."""

    suffix: str
    packed: bool


def format_of(name: str) -> Format:
    """Return the format that a file's name promises.

    Raises:
        Unreadable: it promises none that is supported.
    """
    suffixes = [f".{part}" for part in name.lower().split(".")[1:]]
    match suffixes[-2:]:
        case []:
            raise Unreadable("Suffix like .csv or .json.gzip required.")
        case [*_, ".parquet"]:
            return Format(".parquet", packed=False)
        case [*_, suffix] if suffix in TEXT_FORMATS:
            return Format(suffix, packed=False)
        case [suffix, packing] if packing in _PACKED:
            if suffix in TEXT_FORMATS:
                return Format(suffix, packed=True)
            raise _unsupported(suffix)
        case [packing] if packing in _PACKED:
            raise Unreadable("Suffix like .csv or .json.gzip required.")
        case [suffix, _other] if suffix in TEXT_FORMATS:
            raise Unreadable("Only .gzip or .gz compression are supported.")
        case [*_, suffix]:
            raise _unsupported(suffix)
    raise AssertionError("every list of suffixes is one of the above")


def _unsupported(suffix: str) -> Unreadable:
    return Unreadable(
        f"{suffix} file not supported. Supported file formats are {_LISTED} "
        "with gzip compression (.gz/.gzip)."
    )
