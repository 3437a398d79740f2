"""A model's artefact as one ZIP file, made while it leaves: no copy of it lies anywhere."""

import io
from collections.abc import AsyncIterator, Sequence
from zipfile import ZipFile, ZipInfo

from chassis.blobs import Blobs
from chassis.problems import NotFound
from training.domain.models import TrainedModel

#: The same artefact makes the same archive, whenever it is fetched.
_MOMENT = (1980, 1, 1, 0, 0, 0)


class _Pipe(io.RawIOBase):
    """Takes what an archive writes and gives it away."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: object) -> int:
        before = len(self._held)
        self._held += memoryview(content)  # type: ignore[arg-type]
        return len(self._held) - before

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        held, self._held = bytes(self._held), bytearray()
        return held


async def zipped(blobs: Blobs, model: TrainedModel) -> AsyncIterator[bytes]:
    """Return a model's files as a ZIP archive in chunks.

    Raises:
        NotFound: the model has no file, or not yet.
    """
    keys = [] if model.artefact_key is None else await blobs.keys(f"{model.artefact_key}/")
    if not keys:
        raise NotFound("file deleted.")
    return _chunks(blobs, keys)


async def _chunks(blobs: Blobs, keys: Sequence[str]) -> AsyncIterator[bytes]:
    pipe = _Pipe()
    with ZipFile(pipe, "w") as archive:
        for key in keys:
            entry = ZipInfo(key.rpartition("/")[2], _MOMENT)
            with archive.open(entry, "w", force_zip64=True) as file:
                async for chunk in blobs.stream(key):
                    file.write(chunk)
                    yield pipe.taken()
    yield pipe.taken()
