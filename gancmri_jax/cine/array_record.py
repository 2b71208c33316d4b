"""The index of an ArrayRecord file: what its chunks hold, without reading what they hold.

An ArrayRecord file is a sequence of Riegeli chunks, a record each. Each has a header of 40 bytes,
with a hash of itself and one of its data, which readers of records compare. So these headers
change when a record does, and are a thousandth of the file. Format:
https://github.com/google/riegeli/blob/master/doc/riegeli_records_file_format.md
"""

import hashlib
import pathlib
import struct
from typing import BinaryIO

_BLOCK, _BLOCK_HEADER, _CHUNK_HEADER = 2**16, 24, 40
_FIELDS = struct.Struct("<QQQQQ")  # hash of header, size and hash of data, type and records, size


def index_sha256(path: pathlib.Path) -> str:
    """Return the SHA-256 of the headers of all chunks of a file.

    Raises:
        ValueError: The file is no such sequence of chunks.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        end, at = path.stat().st_size, 0
        digest.update(struct.pack("<Q", end))
        while at < end:
            header = _read(file, at)
            digest.update(header)
            _, data, _, records, _ = _FIELDS.unpack(header)
            whole = _after(at, _CHUNK_HEADER + data)
            least = at + (records >> 8)  # of a byte a record, whatever their data take
            at = max(whole, _boundary(least))
    if at != end:
        raise ValueError(f"{path}: its last chunk is not whole")
    return digest.hexdigest()


def _read(file: BinaryIO, at: int) -> bytes:
    """Read the header of the chunk at a position; headers of blocks may lie inside it."""
    file.seek(at)
    raw = file.read(_after(at, _CHUNK_HEADER) - at)
    kept, place = b"", at
    while place < at + len(raw):
        if not place % _BLOCK:
            place += _BLOCK_HEADER
        stop = min((place // _BLOCK + 1) * _BLOCK, at + len(raw))
        kept, place = kept + raw[place - at : stop - at], stop
    if len(kept) != _CHUNK_HEADER:
        raise ValueError(f"{file.name}: its last chunk is not whole")
    return kept


def _after(at: int, size: int) -> int:
    """Return where a chunk's bytes end that begin here, with headers of blocks between them."""
    usable = _BLOCK - _BLOCK_HEADER
    inside = at % _BLOCK
    before = max(inside - _BLOCK_HEADER, 0)  # usable bytes of this block that lie before
    blocks, rest = divmod(before + size - 1, usable)
    return at - inside + blocks * _BLOCK + _BLOCK_HEADER + rest + 1


def _boundary(at: int) -> int:
    """Return the first position from here on at which a chunk may begin."""
    inside = at % _BLOCK
    return at if not inside or inside > _BLOCK_HEADER else at - inside + _BLOCK_HEADER + 1
