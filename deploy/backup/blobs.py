"""Blobs, copied key by key; a key's bytes never change, so what is there need not be read again."""

import asyncio

from chassis.blobs import BlobNotFound, Blobs

_AT_ONCE = 8


async def copy(source: Blobs, target: Blobs) -> int:
    """Copy what the target lacks; return how many blobs that is."""
    wanted = set(await source.keys()) - set(await target.keys())
    seats = asyncio.Semaphore(_AT_ONCE)

    async def one(key: str) -> int:
        async with seats:
            try:
                await target.put(key, source.stream(key))
            except BlobNotFound:
                return 0  # deleted meanwhile, and so is the row that named it
        return 1

    return sum(await asyncio.gather(*(one(key) for key in sorted(wanted))))
