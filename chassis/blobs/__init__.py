"""Where whole files are kept under keys. The URL's scheme picks the adapter."""

from urllib.parse import urlsplit

from chassis.blobs.port import (
    Blob,
    BlobDamaged,
    BlobKeyInvalid,
    BlobNotFound,
    Blobs,
    BlobsUnavailable,
    BlobTooLarge,
    Content,
)


def open_blobs(url: str) -> Blobs:
    """Return the store behind `file:///<folder>` or `s3://<bucket>/<prefix>[?endpoint=…&region=…]`."""
    match urlsplit(url).scheme:
        case "file":
            from chassis.blobs.embedded import FileBlobs

            return FileBlobs.at(url)
        case "s3":
            from chassis.blobs.s3 import S3Blobs

            return S3Blobs.at(url)
        case other:
            raise ValueError(f"no blob store speaks {other!r}: use file or s3")


__all__ = [
    "Blob",
    "BlobDamaged",
    "BlobKeyInvalid",
    "BlobNotFound",
    "BlobTooLarge",
    "Blobs",
    "BlobsUnavailable",
    "Content",
    "open_blobs",
]
