"""Arrays of all kinds."""

import numpy as np
import pytest
from conftest import DIM, random_rows


@pytest.fixture(scope="module")
def expected(codec):
    return codec.encode(random_rows(64))


def test_layouts(codec, expected, tmp_path):
    rows = random_rows(64)
    wide = np.zeros((128, 2 * DIM), np.float32)
    wide[::2, ::2] = rows
    np.save(tmp_path / "x.npy", rows)
    for given in [
        np.asfortranarray(rows),
        wide[::2, ::2],
        rows.tolist(),
        np.load(tmp_path / "x.npy", mmap_mode="r"),
    ]:
        assert codec.encode(given) == expected


def test_float16(codec):
    half = random_rows(64).astype(np.float16)
    assert codec.encode(half) == codec.encode(half.astype(np.float32))
    assert codec.evaluate(half).rows == 64


def test_dlpack(codec, expected):
    class Exported:
        """An array of another library."""

        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    assert codec.encode(Exported(random_rows(64))) == expected


def test_bfloat16(codec):
    types = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    rows = random_rows(64).astype(types.bfloat16)
    assert codec.encode(rows) == codec.encode(rows.astype(np.float32))


def test_tensors_of_pytorch(codec, expected):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rows = torch.from_numpy(random_rows(64))
    assert codec.encode(rows) == expected
    assert codec.encode(rows.requires_grad_()) == expected
    short = rows.detach().bfloat16()
    assert codec.encode(short) == codec.encode(short.float())
    assert torch.from_numpy(codec.decode(expected)).shape == (64, DIM)


def test_wrong_arrays(codec):
    rows = random_rows(4)
    for given, error, message in [
        (rows.astype(np.float64), TypeError, "x has dtype float64: pass float32 or float16"),
        (rows.astype(np.int8), TypeError, "x has dtype int8"),
        (rows.astype(">f4"), TypeError, "x has dtype >f4"),
        (rows[0], ValueError, r"x has shape \(48,\)"),
        (rows[None], ValueError, r"x has shape \(1, 4, 48\)"),
        (rows[:, :5], ValueError, r"x has shape \(4, 5\), and the model takes rows of 48 values"),
        (rows[:0], ValueError, "empty"),
        ("rows", TypeError, "not an object of type str"),
        (None, TypeError, "NoneType"),
    ]:
        with pytest.raises(error, match=message):
            codec.encode(given)
    assert len(codec.encode(rows)) == 4
