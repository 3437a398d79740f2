"""What producers compress, unpacked into a bounded space: a megabyte can hold gigabytes."""

import mmap
import zlib
from collections.abc import Callable
from struct import unpack_from

import cramjam

#: Attribute bits of a batch that name its codec.
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
#: How snappy's Java library begins a stream of blocks; other clients write one block alone.
_XERIAL = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
_EITHER_GZIP = 31  # zlib's window bits for its largest window, with gzip's header


class Undecodable(ValueError):
    """Compressed bytes that cannot be unpacked, or not within the bound; the text says why."""


def decompress(codec: int, packed: bytes, *, limit: int) -> bytes:
    """Return what a batch's records were before a producer compressed them.

    Raises:
        Undecodable: no such codec, broken bytes, or more than `limit` bytes in them.
    """
    unpack = _UNPACK.get(codec)
    if unpack is None:
        raise Undecodable(f"there is no codec {codec}")
    try:
        return unpack(packed, limit)
    except Undecodable:
        raise
    except Exception as error:  # each library has its own, and none names its kinds
        raise Undecodable(f"{_NAMES[codec]}: {error}") from error


def _too_large(limit: int) -> Undecodable:
    return Undecodable(f"unpacked it has more than {limit} bytes")


def _gzip(packed: bytes, limit: int) -> bytes:
    found, rest = bytearray(), packed
    while rest:
        member = zlib.decompressobj(_EITHER_GZIP)
        found += member.decompress(rest, limit + 1 - len(found))
        if len(found) > limit:
            raise _too_large(limit)
        if not member.eof:
            raise Undecodable("gzip: it ends too early")
        rest = member.unused_data
    return bytes(found)


def _snappy(packed: bytes, limit: int) -> bytes:
    if not packed.startswith(_XERIAL):
        return _snappy_block(packed, limit)
    found, at = bytearray(), len(_XERIAL)
    while at < len(packed):
        (size,) = unpack_from(">i", packed, at)
        block = packed[at + 4 : at + 4 + size]
        if size < 0 or len(block) < size:
            raise Undecodable("snappy: it ends too early")
        found += _snappy_block(block, limit - len(found))
        at += 4 + size
    return bytes(found)


def _snappy_block(packed: bytes, limit: int) -> bytes:
    # A block says how large it was; the library would make room for whatever it says.
    if cramjam.snappy.decompress_raw_len(packed) > limit:
        raise _too_large(limit)
    return bytes(cramjam.snappy.decompress_raw(packed))


def _framed(library: object) -> Callable[[bytes, int], bytes]:
    """Return what unpacks frames of lz4 or zstd, whose library fills a space and no more."""

    def unpack(packed: bytes, limit: int) -> bytes:
        # The system gives memory for as much of the space as is written to.
        with mmap.mmap(-1, limit + 1) as space:
            try:
                size: int = library.decompress_into(packed, space)  # type: ignore[attr-defined]
            except cramjam.DecompressionError as error:
                raise _too_large(limit) if "whole buffer" in str(error) else error from None
            if size > limit:
                raise _too_large(limit)
            return space[:size]

    return unpack


_UNPACK = {GZIP: _gzip, SNAPPY: _snappy, LZ4: _framed(cramjam.lz4), ZSTD: _framed(cramjam.zstd)}
_NAMES = {GZIP: "gzip", SNAPPY: "snappy", LZ4: "lz4", ZSTD: "zstd"}
