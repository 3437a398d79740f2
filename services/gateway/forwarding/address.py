"""Addresses as clients write them: percent-encoded UTF-8, and nothing else."""

from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from chassis.problems import Malformed


def check(scope: Scope) -> None:
    """Refuse an address that stands for no text.

    Whoever decodes one later replaces what is not UTF-8, so that two addresses would name one
    thing. A NUL in a query can be searched for in no database; in a path it names nothing, and the
    route answers that.

    Raises:
        Malformed: path or query is not UTF-8, or the query holds a NUL.
    """
    path, query = scope.get("raw_path") or b"", scope["query_string"]
    if b"%" in path and not _is_text(path):
        raise Malformed("The path is not UTF-8.")
    if not query.isascii() or (b"%" in query and not _is_text(query)):
        raise Malformed("The query is not UTF-8.")
    if b"%00" in query:
        raise Malformed("Null characters are not allowed in a query.")


def _is_text(encoded: bytes) -> bool:
    try:
        unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        return False
    return True
