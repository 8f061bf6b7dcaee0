"""Arrays of any library as arrays of NumPy, without a copy where that is possible."""

import numpy as np


def rows(x, name):
    """Returns `x` as a C-contiguous array [rows, values] of float32 or float16.

    Takes arrays of NumPy, memory maps, tensors of PyTorch, whatever exports DLPack from the host's memory, and
    nested lists of floats. bfloat16 becomes float32. Tensors of a GPU are copied to the host: the codec reads
    rows there.
    """
    array = _numpy(x)
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    if array.dtype not in (np.float32, np.float16) or not array.dtype.isnative:
        raise TypeError(
            f"{name} has dtype {array.dtype.str if not array.dtype.isnative else array.dtype}: "
            f"pass float32 or float16, as from {name}.astype(numpy.float32)"
        )
    if array.ndim != 2:
        raise ValueError(
            f"{name} has shape {array.shape}: pass rows, [rows, values]"
            + (f", as {name}[None, :]" if array.ndim == 1 else "")
        )
    return np.ascontiguousarray(array)


def float32_rows(x, name):
    """Returns `x` as `rows` does, as float32."""
    return rows(x, name).astype(np.float32, copy=False)


def _numpy(x):
    if isinstance(x, np.ndarray):
        return x
    if isinstance(x, (list, tuple)):
        # Of Python's floats NumPy would make float64.
        return np.asarray(x, dtype=np.float32)
    if type(x).__module__.partition(".")[0] == "torch":
        import torch  # type: ignore[import-not-found, unused-ignore]

        x = x.detach()
        if x.dtype == torch.bfloat16:
            x = x.float()
        return x.cpu().numpy()
    if hasattr(x, "__dlpack__"):
        return np.from_dlpack(x)
    if hasattr(x, "__array__"):
        return np.asarray(x)
    raise TypeError(f"pass an array, not an object of type {type(x).__name__}")


def ids(x, name):
    """Returns `x` as a one-dimensional array of uint64."""
    array = np.asarray(x)
    if array.size == 0:
        return np.empty(0, np.uint64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {array.dtype}: pass integers")
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}: pass one dimension")
    # Results have ids in int64.
    wrong = np.flatnonzero((array < 0) | (array > np.iinfo(np.int64).max))
    if wrong.size:
        raise ValueError(f"{name}[{wrong[0]}] is {array[wrong[0]]}: ids are from 0 to 2**63 - 1")
    return np.ascontiguousarray(array, np.uint64)


def row_numbers(key, count):
    """Returns the rows that `key` picks of `count` rows, as uint64: a list or array of integers or of bools."""
    array = np.asarray(key)
    if array.size and array.dtype.kind not in "iub":
        raise TypeError(f"rows are picked by integers or bools, not by {array.dtype}")
    if array.ndim != 1:
        raise IndexError(f"rows are picked in one dimension, not by shape {array.shape}")
    if array.dtype == bool:
        if len(array) != count:
            raise IndexError(f"the mask has {len(array)} values, and there are {count} rows")
        return np.flatnonzero(array).astype(np.uint64)
    array = array.astype(np.int64)
    array = np.where(array < 0, array + count, array)
    wrong = np.flatnonzero((array < 0) | (array >= count))
    if wrong.size:
        raise IndexError(f"row {np.asarray(key)[wrong[0]]} of {count} rows")
    return array.astype(np.uint64)


def bitmap(mask, count):
    """Returns a mask of `count` bools as words of 64 bits, the lowest bit first."""
    if len(mask) != count:
        raise ValueError(f"filter has {len(mask)} values, and the index has had {count} rows")
    padded = np.zeros(-(-count // 64) * 64, bool)
    padded[:count] = mask
    return np.packbits(padded, bitorder="little").view("<u8").astype(np.uint64)
