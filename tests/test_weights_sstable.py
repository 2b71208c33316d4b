import struct

import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.weights.sstable import (
    masked_crc32c,
    read_sstable,
    uncompress_snappy,
    varint,
)
from tests.tf_files import FOOTER_MAGIC, as_snappy, sstable

ENTRIES = {f"layer_{k}/weight".encode(): bytes([k]) * (k % 7) for k in range(23)} | {b"": b"head"}


def test_the_checksum_by_hand():
    """RFC 3720's example: 32 zeros have the CRC-32C 0x8A9136AA; LevelDB masks it."""
    crc = 0x8A9136AA
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    assert masked_crc32c(bytes(32)) == (rotated + 0xA282EAD8) % 2**32


def test_numbers_of_seven_bits():
    assert varint(b"\x05", 0) == (5, 1)
    assert varint(b"x\xac\x02", 1) == (300, 3)
    with pytest.raises(ValueError, match="64 bits"):
        varint(b"\xff" * 20, 0)


@pytest.mark.parametrize("compressed", [False, True])
def test_entries_come_back_from_several_blocks(compressed):
    assert read_sstable(sstable(ENTRIES, compressed)) == ENTRIES


def test_snappys_literals_and_copies_by_hand():
    assert uncompress_snappy(b"\x03\x08abc") == b"abc"
    # A literal of two, then a copy of 4 bytes from 2 before, which runs into itself.
    assert uncompress_snappy(b"\x06\x04ab\x01\x02") == b"ababab"
    # Copies whose offset has two bytes and four: of 3 from 5 before, of 2 from 1 before.
    assert uncompress_snappy(b"\x08\x10abcde\x0a\x05\x00") == b"abcdeabc"
    assert uncompress_snappy(b"\x03\x00a\x07\x01\x00\x00\x00") == b"aaa"
    long = bytes(range(256)) * 2
    assert uncompress_snappy(b"\x80\x04\xf4\xff\x01" + long) == long  # 61: two bytes of length
    assert uncompress_snappy(as_snappy(long)) == long


@pytest.mark.parametrize(
    "data",
    [
        b"\x03\x08ab",
        b"\x02\x08abc",
        b"\x04\x08abc",
        b"\x06\x04ab\x01\x03",
        b"\xff\xff\xff\x7f\x00a",
    ],
    ids=["cut off", "longer", "shorter", "copy of nothing", "bomb"],
)
def test_broken_snappy_is_refused(data):
    with pytest.raises(ValueError):
        uncompress_snappy(data)


def test_a_table_with_a_changed_byte_is_refused():
    content = sstable(ENTRIES)
    for at in range(0, len(content) - 48, 7):
        changed = bytearray(content)
        changed[at] ^= 1
        with pytest.raises(InputError, match="does not match its checksum"):
            read_sstable(bytes(changed))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c[:-1], "no sorted string table"),
        (lambda c: b"", "no sorted string table"),
        (lambda c: b"\xff" * 40 + FOOTER_MAGIC, "broken sorted string table"),
        (lambda c: bytes(40) + FOOTER_MAGIC, "does not match its checksum|broken"),
        (lambda c: c[100:], "broken|does not match"),
    ],
    ids=["cut off", "empty", "endless numbers", "handles of zero", "no beginning"],
)
def test_what_is_no_table_is_refused(change, said):
    with pytest.raises(InputError, match=said):
        read_sstable(change(sstable(ENTRIES)))


def test_an_unknown_compression_is_refused():
    stored = b"\0\0\0\0\x01\0\0\0\x04"
    content = stored + struct.pack("<I", masked_crc32c(stored))
    handle = b"\x00\x08"
    with pytest.raises(InputError, match="method 4"):
        read_sstable(content + (handle + handle).ljust(40, b"\0") + FOOTER_MAGIC)
