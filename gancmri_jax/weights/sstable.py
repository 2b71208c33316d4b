"""Sorted string tables, LevelDB's files of keys and values, as TensorFlow keeps its indices in.

Blocks of entries, an index block of where they lie, and a footer of where that lies. Format:
https://github.com/google/leveldb/blob/main/doc/table_format.md, and snappy's format_description.
"""

import struct

from gancmri_jax.errors import InputError

_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_FOOTER = 48
_TRAILER = 5  # of a block: one byte for its compression, four for its checksum
_NONE, _SNAPPY = 0, 1
_MOST_EXPANSION = 64  # a snappy element of three bytes makes at most 64


def read_sstable(content: bytes) -> dict[bytes, bytes]:
    """Read all entries of a table, every block checked by its CRC-32C.

    Raises:
        InputError: It is no table, or broken.
    """
    if len(content) < _FOOTER or content[-8:] != _MAGIC:
        raise InputError("is no sorted string table, or its end is missing")
    footer = content[-_FOOTER:]
    try:
        meta, at = _handle(footer, 0)
        _block(content, *meta)  # in which nothing is kept
        index, _ = _handle(footer, at)
        entries: dict[bytes, bytes] = {}
        for where in _entries(_block(content, *index)).values():
            handle, _ = _handle(where, 0)
            entries |= _entries(_block(content, *handle))
    except (IndexError, ValueError, struct.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"is a broken sorted string table ({type(error).__name__})") from error
    return entries


def masked_crc32c(data: bytes) -> int:
    """Return the CRC-32C as it is stored beside data that may hold checksums themselves."""
    import google_crc32c  # not where nothing but JAX is installed

    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at a place, seven bits a byte, and the place after it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of over 64 bits")


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return (offset, size), at


def _block(content: bytes, offset: int, size: int) -> bytes:
    stored = content[offset : offset + size + _TRAILER]
    if len(stored) != size + _TRAILER:
        raise ValueError("a block beyond the end")
    block, kind = stored[:size], stored[size]
    if struct.unpack("<I", stored[-4:]) != (masked_crc32c(stored[: size + 1]),):
        raise InputError(f"has a block at byte {offset} that does not match its checksum")
    if kind == _NONE:
        return block
    if kind == _SNAPPY:
        return uncompress_snappy(block)
    raise InputError(f"has a block compressed by method {kind}, which is not known")


def _entries(block: bytes) -> dict[bytes, bytes]:
    """Return a block's entries; each key shares its beginning with the one before."""
    (restarts,) = struct.unpack("<I", block[-4:])
    end = len(block) - 4 * (restarts + 1)
    entries: dict[bytes, bytes] = {}
    key, at = b"", 0
    while at < end:
        shared, at = varint(block, at)
        unshared, at = varint(block, at)
        size, at = varint(block, at)
        if shared > len(key) or at + unshared + size > end:
            raise ValueError("an entry beyond its block")
        key = key[:shared] + block[at : at + unshared]
        entries[key] = block[at + unshared : at + unshared + size]
        at += unshared + size
    return entries


def uncompress_snappy(data: bytes) -> bytes:
    """Undo snappy's raw format: literals, and copies of what came before.

    Raises:
        ValueError: It is broken, or declares more than its bytes can make.
    """
    total, at = varint(data, 0)
    if total > _MOST_EXPANSION * len(data):
        raise ValueError("a block that declares more than it holds")
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        kind, length = tag & 3, (tag >> 2) + 1
        if kind == 0:  # a literal, its length behind the tag where it is above 60
            if length > 60:
                more = length - 60
                length = int.from_bytes(data[at : at + more], "little") + 1
                at += more
            piece = data[at : at + length]
            if len(piece) != length:
                raise ValueError("a literal beyond the end")
            out += piece
            at += length
        else:
            if kind == 1:
                length, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[at]
                at += 1
            else:
                width = 2 if kind == 2 else 4
                offset = int.from_bytes(data[at : at + width], "little")
                at += width
            if not 0 < offset <= len(out):
                raise ValueError("a copy of what is not there")
            start = len(out) - offset
            piece = bytes(out[start : start + length])
            out += (piece * (length // len(piece) + 1))[:length]  # it may run into itself
        if len(out) > total:
            raise ValueError("a block longer than it declares")
    if len(out) != total:
        raise ValueError("a block shorter than it declares")
    return bytes(out)
