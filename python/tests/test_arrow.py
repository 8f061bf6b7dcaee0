"""Batches and tables of Arrow."""

import json

import numpy as np
import pytest
from conftest import DIM, random_rows

import vecodec

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def fixed(rows, **options):
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1], **options)


def lists(rows, kind=pa.ListArray):
    offsets = np.arange(len(rows) + 1) * rows.shape[1]
    return kind.from_arrays(pa.array(offsets, pa.int32() if kind is pa.ListArray else pa.int64()), pa.array(rows.reshape(-1)))


def records(codes):
    """The rows of codes as docs/format.md has them."""
    packed = [row.tobytes() for row in codes.codes]
    if len(codes.codes[0]) == codes.bytes_per_row:
        return packed
    return [row + scale.tobytes() for row, scale in zip(packed, codes.scales)]


@pytest.fixture(scope="module")
def with_norms():
    x = random_rows(2000) * np.random.default_rng(0).lognormal(0, 2, (2000, 1)).astype(np.float32)
    return vecodec.Codec(vecodec.fit(x, bytes=16, regions=1, row_norm="store"), "cpu")


@pytest.fixture(scope="module")
def of_8_bits(x):
    return vecodec.Codec(vecodec.fit(x, latent=12), "cpu")


@pytest.mark.parametrize("name", ["codec", "with_norms", "of_8_bits"])
def test_codes_are_those_of_encode(request, name):
    codec, x = request.getfixturevalue(name), random_rows(300, seed=4)
    expected = codec.encode(x)
    batch = pa.record_batch({"id": pa.array(range(300)), "embedding": fixed(x)})
    encoded = codec.encode_batch(batch)
    assert isinstance(encoded, pa.RecordBatch) and encoded.schema.names == ["id", "embedding"]
    column = encoded.column("embedding")
    assert column.type == pa.binary(expected.bytes_per_row) and column.to_pylist() == records(expected)
    about = encoded.schema.field("embedding").metadata
    assert about[b"ARROW:extension:name"] == b"vecodec.codes"
    assert json.loads(about[b"ARROW:extension:metadata"]) == {
        "fingerprint": codec.model.fingerprint, "dim": DIM, "coding": codec.model.coding,
    }
    decoded = codec.decode_batch(encoded)
    assert decoded.schema.field("embedding").type == pa.list_(pa.field("item", pa.float32(), False), DIM)
    values = decoded.column("embedding").flatten().to_numpy().reshape(-1, DIM)
    assert np.array_equal(values, codec.decode(expected))
    assert decoded.column("id").equals(batch.column("id"))


def test_all_kinds_of_lists(codec):
    x = random_rows(50)
    expected = records(codec.encode(x))
    half = x.astype(np.float16)
    for column, rows in [
        (fixed(x), expected),
        (lists(x), expected),
        (lists(x, pa.LargeListArray), expected),
        (fixed(np.concatenate([x, x]))[50:], expected),
        (lists(np.concatenate([x, x]))[50:], expected),
        (fixed(x)[7:9], expected[7:9]),
        (fixed(half), records(codec.encode(half))),
    ]:
        encoded = codec.encode_batch(pa.record_batch({"v": column}), "v")
        assert encoded.column("v").to_pylist() == rows


def test_nulls_stay(codec):
    x = random_rows(6)
    rows = x.tolist()
    rows[1] = rows[4] = None
    for kind in (pa.list_(pa.float32(), DIM), pa.list_(pa.float32())):
        batch = pa.record_batch({"embedding": pa.array(rows, kind)})
        encoded = codec.encode_batch(batch)
        expected = [None if row is None else record for row, record in zip(rows, records(codec.encode(x)))]
        assert encoded.column("embedding").to_pylist() == expected
        decoded = codec.decode_batch(encoded).column("embedding")
        assert [row is None for row in decoded.to_pylist()] == [row is None for row in rows]
        assert np.allclose(decoded[5].as_py(), codec.decode(codec.encode(x))[5])
    nothing = pa.record_batch({"embedding": pa.array([None, None], pa.list_(pa.float32(), DIM))})
    assert codec.decode_batch(codec.encode_batch(nothing)).column("embedding").null_count == 2
    empty = codec.encode_batch(nothing.slice(0, 0))
    assert empty.num_rows == 0 and codec.decode_batch(empty).num_rows == 0


def test_tables_and_files(codec, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    x = random_rows(100)
    table = pa.concat_tables([pa.table({"embedding": fixed(x[:30])}), pa.table({"embedding": fixed(x[30:])})])
    encoded = codec.encode_batch(table)
    assert isinstance(encoded, pa.Table) and encoded.column("embedding").num_chunks == 2
    parquet.write_table(encoded, tmp_path / "codes.parquet")
    loaded = parquet.read_table(tmp_path / "codes.parquet")
    assert codec.decode_batch(loaded).num_rows == 100
    assert loaded.column("embedding").to_pylist() == records(codec.encode(x))
    other = vecodec.Codec(vecodec.fit(x, bytes=16, regions=1, seed=9), "cpu")
    with pytest.raises(ValueError, match=codec.model.fingerprint):
        other.decode_batch(loaded)
    assert codec.encode_batch(table.schema.empty_table()).num_rows == 0


def test_objects_that_are_not_of_pyarrow(codec):
    class Exported:
        """A batch of another library."""

        def __init__(self, batch):
            self.batch = batch

        def __arrow_c_array__(self, requested_schema=None):
            return self.batch.__arrow_c_array__(requested_schema)

    batch = pa.record_batch({"embedding": fixed(random_rows(5))})
    encoded = codec.encode_batch(Exported(batch))
    assert not isinstance(encoded, pa.RecordBatch)
    assert pa.record_batch(encoded).equals(codec.encode_batch(batch))


def test_lists_of_float64_are_rounded(codec):
    x = random_rows(4)
    wide, narrow = (codec.encode_batch(pa.record_batch({"embedding": fixed(x.astype(t))})) for t in ("f8", "f4"))
    assert wide.equals(narrow)


def test_wrong_batches(codec):
    x = random_rows(4)
    uneven = pa.array([[0.0] * DIM, [0.0] * 3], pa.list_(pa.float32()))
    holes = pa.array([[None] + [0.0] * (DIM - 1)], pa.list_(pa.float32(), DIM))
    for column, error, message in [
        (fixed(x[:, :5].copy()), ValueError, "has lists of 5 values, and the model takes rows of 48"),
        (uneven, ValueError, "row 1 has 3 values"),
        (holes, ValueError, "row 0 has a null among its values"),
        (fixed(x.astype(np.int32)), TypeError, "is Int32: pass lists"),
        (pa.array([1, 2]), TypeError, "is Int64: pass lists"),
        (fixed(np.full((1, DIM), np.nan, np.float32)), ValueError, "row 0"),
    ]:
        with pytest.raises(error, match=message):
            codec.encode_batch(pa.record_batch({"embedding": column}))
    with pytest.raises(KeyError, match="no column"):
        codec.encode_batch(pa.record_batch({"vector": fixed(x)}))
    with pytest.raises(TypeError, match="a batch or a table of Arrow"):
        codec.encode_batch(x)
    with pytest.raises(TypeError, match=r"pass FixedSizeBinary\(16\)"):
        codec.decode_batch(pa.record_batch({"embedding": pa.array([b"abc"], pa.binary(3))}))
