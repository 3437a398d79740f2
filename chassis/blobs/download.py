"""Large objects over a plain socket, into a file.

An S3 client hands its bytes through Python in many small pieces and holds the interpreter's lock
meanwhile: beside a service's event loop, each answer of the loop waits for it. Here the lock is
taken for a moment per piece of up to a megabyte, which the kernel fills and empties without it.
"""

import os
import shutil
import ssl
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from tenacity import (
    Retrying,
    retry_if_not_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from chassis.blobs.port import CHUNK_BYTES

#: Seconds without a byte after which the store is away.
_SILENCE = 60
_ATTEMPTS = 3


def download(url: str, to: Path) -> None:
    """Write what a signed URL names into a file; blocks.

    Raises:
        FileNotFoundError: nothing is there.
        OSError: the store is away, refuses, or breaks off, three times.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("an object's address begins with http:// or https://")
    attempts = Retrying(
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        retry=retry_if_not_exception_type(FileNotFoundError),
        reraise=True,
    )
    attempts(_download, url, to)


def _download(url: str, to: Path) -> None:
    try:
        with (
            urlopen(url, timeout=_SILENCE, context=_trust(url)) as answer,  # noqa: S310 - see above
            to.open("wb") as file,
        ):
            shutil.copyfileobj(answer, file, CHUNK_BYTES)
            promised = answer.headers.get("Content-Length")
            if promised is not None and file.tell() != int(promised):
                raise ConnectionResetError("the store broke off")
    except HTTPError as error:
        error.close()
        # The error would show the address, and that is signed: whoever has it may read the object.
        if error.code == HTTPStatus.NOT_FOUND:
            raise FileNotFoundError("the store has no such object") from None
        raise OSError(f"the store answered {error.code}") from None
    except HTTPException as error:
        raise OSError(f"the store's answer is no HTTP: {type(error).__name__}") from error


def _trust(url: str) -> ssl.SSLContext | None:
    """Return whom to trust, as S3's other clients find it in the environment."""
    if urlsplit(url).scheme != "https":
        return None
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
