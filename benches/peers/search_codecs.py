"""Indexes that search codes but do not decode them: RaBitQ (FAISS) and turbovec (TurboQuant).

Their scores are linear in the query, or squared distances, which are linear except for a term of
the query and a term of the row. The scores of unit vectors and of their negatives therefore give the
rows that the codes represent. An index makes its scores right on average, and such rows are too
long for the least error. All of them are multiplied by one factor of least squared error on
training rows. The factor also turns distances into inner products.

Rows are centred and projected on their leading principal axes before they are coded, so that codes
have the wanted size. RaBitQ codes the residuals of inverted lists.
"""

import numpy as np

from coded import Codec, Coded, principal_axes, random_rotation

LISTS = 256
SAMPLE = 5000


def codecs(dim, bytes_):
    """Returns the codecs of at most that many bytes per row."""
    found = []

    def add(family, name, width, make):
        if 0 < width <= dim:
            found.append(Codec(family, f"{name}, {width} latents",
                               lambda data: code(data, width, make)))

    for bits in [1, 2, 3, 4]:
        # A byte for the list, then two numbers of the row, or five beyond one bit.
        width = (bytes_ - 1 - (8 if bits == 1 else 20)) // bits * 8
        add("RaBitQ (FAISS)", f"FAISS IVF{LISTS},RaBitQ{bits}", width, rabitq(width, bits))
    for bits in [2, 4]:
        width = (bytes_ - 4) // bits * 8  # four bytes for the norm
        add("turbovec", f"turbovec {bits} bits", width, turbovec(width, bits))
    return found


def rabitq(width, bits):
    """Returns a function of training rows that makes an empty index, and says its bytes per row."""
    def make(train):
        import faiss

        index = faiss.index_factory(width, f"IVF{LISTS},RaBitQ{bits}")
        index.train(train)
        index.nprobe = LISTS
        return index, index.sa_code_size()
    return make


def turbovec(width, bits):
    """Returns a function of training rows that makes an empty index, and says its bytes per row."""
    def make(train):
        from turbovec import TurboQuantIndex

        index = TurboQuantIndex(dim=width, bit_width=bits)
        index.calibrate(train)
        return index, width * bits // 8 + 4
    return make


def code(data, width, make):
    mean = data.train.mean(axis=0)
    axes = principal_axes(data.train - mean)[1][:, :width] @ random_rotation(width)
    train = (data.train - mean) @ axes
    index, bytes_per_row = make(train)
    index.add((data.test - mean) @ axes)
    sample, _ = make(train)
    sample.add(train[:SAMPLE])
    seen = rows_of_scores(sample, width, SAMPLE)
    factor = (seen * train[:SAMPLE]).sum() / (seen ** 2).sum()
    rows = factor * rows_of_scores(index, width, len(data.test)) @ axes.T + mean
    return Coded(rows, bytes_per_row)


def rows_of_scores(index, width, rows):
    """Returns half the difference between the scores of each unit vector and of its negative."""
    def scores(queries):
        values, numbers = index.search(queries, rows)
        found = np.zeros((width, rows), np.float32)
        np.put_along_axis(found, numbers.astype(np.int64), values, axis=1)
        return found

    unit = np.eye(width, dtype=np.float32)
    return (scores(unit) - scores(-unit)).T / 2
