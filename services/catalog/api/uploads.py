"""What the two upload resources share: a bounded multipart body, and the actions on a file."""

import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Request
from fastapi.responses import StreamingResponse
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from catalog.domain.data_files import DataFile, Kind
from catalog.operations.data_files import DataFiles, Upload
from catalog.profiling.rows import PREVIEWED
from chassis.identity import Caller
from chassis.problems import Invalid, Malformed, TooLarge, UnsupportedMedia
from chassis.validation import REQUIRED

#: The paths that take files.
UPLOADS = ("/api/v1/training_data", "/api/v1/item_meta_data")
#: What a multipart body may have beside the file itself, in bytes.
_WRAPPING = 64 * 1024
#: Bytes of a file that are gathered before they are written.
_BUFFER = 1024 * 1024


async def files_of(request: Request) -> DataFiles:
    """Return the operations on files."""
    files: DataFiles = request.app.state.data_files
    return files


Files = Annotated[DataFiles, Depends(files_of)]

MULTIPART: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["project", "file"],
                    "properties": {
                        "project": {"type": "integer"},
                        "file": {"type": "string", "format": "binary"},
                    },
                }
            }
        },
    }
}


async def keep(request: Request, caller: Caller, files: DataFiles, *, kind: Kind) -> DataFile:
    """Read a multipart body and keep its file.

    Raises:
        Invalid: a member is absent or refused.
        Malformed: the body is no multipart form.
        TooLarge: the file is longer than the limit.
        UnsupportedMedia: the body is something else.
    """
    sent = request.headers.get("content-type", "")
    if not sent.lower().startswith("multipart/form-data"):
        raise UnsupportedMedia(f'Unsupported media type "{sent}" in request.')
    limit: int = request.app.state.settings.max_upload_bytes
    with tempfile.TemporaryDirectory(prefix="millrace-upload-") as folder:
        path = Path(folder, "upload")
        form = await _form(request, limit + _WRAPPING, to=path)
        try:
            return await files.keep(caller, _upload(form, path, kind=kind, limit=limit))
        finally:
            await form.close()


class _ToPath(MultiPartParser):
    """Writes the one file of a form where it is read from then on, instead of to a nameless one."""

    def __init__(self, *args: Any, to: Path, **limits: Any) -> None:
        super().__init__(*args, **limits)
        self._to = to

    def on_headers_finished(self) -> None:
        """Begin a part; the parser closes what it opens for a file when the form is broken."""
        super().on_headers_finished()
        part = self._current_part.file
        if part is not None:
            part.file.close()
            part.file = self._to.open("w+b", buffering=_BUFFER)
            self._files_to_close_on_error.append(part.file)  # type: ignore[arg-type]


async def _form(request: Request, limit: int, *, to: Path) -> FormData:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise TooLarge(f"An upload may have {limit - _WRAPPING} bytes.")
    stream = _counted(request, limit)
    parser = _ToPath(request.headers, stream, to=to, max_files=1, max_fields=20)
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise Malformed(f"Multipart form parse error - {error.message}") from error
    except (ValueError, LookupError) as error:
        raise Malformed("Multipart form parse error") from error


async def _counted(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > limit:
            raise TooLarge(f"An upload may have {limit - _WRAPPING} bytes.")
        yield chunk


def _upload(form: FormData, path: Path, *, kind: Kind, limit: int) -> Upload:
    refused: dict[str, list[str]] = {}
    project = form.get("project")
    file = form.get("file")
    if not isinstance(project, str) or not project.strip():
        refused["project"] = [REQUIRED]
    elif not _is_key(project.strip()):
        refused["project"] = ["A valid integer is required."]
    if file is None:
        refused["file"] = ["file is required."]
    elif not isinstance(file, UploadFile):
        refused["file"] = ["The submitted data was not a file."]
    elif (file.size or 0) > limit:
        raise TooLarge(f"An upload may have {limit} bytes.")
    if refused or not isinstance(file, UploadFile) or not isinstance(project, str):
        raise Invalid(fields=refused)
    return Upload(kind, int(project), file.filename or "", path, file.size or 0)


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


async def download(files: DataFiles, file: DataFile) -> StreamingResponse:
    """Answer with the bytes as they were uploaded, under a name that is only a name."""
    content = await files.content(file)
    name = file.basename or "upload"
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
    return StreamingResponse(
        content,
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": disposition,
            "Content-Length": str(file.filesize),
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
        },
    )


def shown_rows(text: str) -> int:
    """Return how many rows a preview is asked for.

    Raises:
        Invalid: the text is no positive number.
    """
    if not _is_key(text) or int(text) < 1:
        raise Invalid(fields={"n_rows": ["A valid integer is required."]})
    return min(int(text), PREVIEWED)
