"""What the modules of codecs share: the data, a codec, and the rows that come out of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np


@dataclass
class Data:
    """Rows to fit on, rows to measure, queries, and the files of the first two."""

    train: np.ndarray
    test: np.ndarray
    queries: np.ndarray
    train_file: Path
    test_file: Path

    @property
    def dim(self):
        return self.train.shape[1]


@dataclass
class Coded:
    """The test rows after encoding and decoding."""

    rows: np.ndarray
    bytes_per_row: int


@dataclass
class Codec:
    """A codec by its name. Codecs of one family are variants, of which the chart draws the best."""

    family: str
    name: str
    code: Callable[[Data], Coded]


def principal_axes(rows):
    """Returns the eigenvalues of rows^T rows / n, largest first, and the axes as columns."""
    values, axes = np.linalg.eigh((rows.T @ rows / len(rows)).astype(np.float64))
    return values[::-1], np.ascontiguousarray(axes[:, ::-1], np.float32)


def random_rotation(size, seed=1):
    """Returns a random orthogonal matrix."""
    gaussian = np.random.default_rng(seed).standard_normal((size, size), dtype=np.float32)
    return np.linalg.qr(gaussian)[0]
