import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter

from gancmri_jax.cine import array_record
from gancmri_jax.cine.array_record import index_sha256

RNG = np.random.default_rng(0)
SIZES = {
    "none": [],
    "one": [1],
    "across blocks": [10, 65_536, 65_500, 7, 200_000],
    "up to each byte of a block": [65_536 - 200 - index for index in range(140)],
    "many": RNG.integers(0, 90_000, 60).tolist(),
}


def write(path, records):
    writer = ArrayRecordWriter(str(path), "group_size:1")
    for record in records:
        writer.write(record)
    writer.close()
    return path


@pytest.mark.parametrize("name", SIZES)
def test_the_headers_are_those_of_all_records(name, tmp_path, monkeypatch):
    records = [RNG.bytes(size) for size in SIZES[name]]
    path = write(tmp_path / "a", records)
    headers = []
    read = array_record._read

    def keep(file, at):
        headers.append(read(file, at))
        return headers[-1]

    monkeypatch.setattr(array_record, "_read", keep)
    index_sha256(path)
    sizes = [int.from_bytes(header[32:], "little") for header in headers if header[24:25] == b"r"]
    held = [size for size in SIZES[name]]
    assert sizes[: len(held)] == held  # then come those that ArrayRecord finds records by


def test_the_index_is_that_of_what_is_in_the_records(tmp_path):
    records = [RNG.bytes(size) for size in (100, 70_000, 5)]
    index = index_sha256(write(tmp_path / "a", records))
    assert index_sha256(write(tmp_path / "b", records)) == index
    changed = bytearray(records[1])
    changed[69_000] ^= 1
    assert index_sha256(write(tmp_path / "c", [records[0], bytes(changed), records[2]])) != index
    assert index_sha256(write(tmp_path / "d", records[::-1])) != index


def test_bytes_that_change_under_their_header_are_refused_when_read(tmp_path):
    path = write(tmp_path / "a", [RNG.bytes(70_000)])
    index, content = index_sha256(path), bytearray(path.read_bytes())
    content[30_000] ^= 1
    path.write_bytes(content)
    assert index_sha256(path) == index
    with pytest.raises(RuntimeError, match="hash mismatch"):
        ArrayRecordReader(str(path)).read_all()


@pytest.mark.parametrize("size", [0.3, 0.9])
def test_a_file_that_is_cut_is_no_sequence_of_chunks(tmp_path, size):
    path = write(tmp_path / "a", [RNG.bytes(70_000), RNG.bytes(70_000)])
    content = path.read_bytes()
    path.write_bytes(content[: int(size * len(content))])
    with pytest.raises(ValueError, match="its last chunk is not whole"):
        index_sha256(path)
