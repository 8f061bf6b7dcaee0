"""Rows, a model and codes that tests share."""

import numpy as np
import pytest

import vecodec

DIM = 48


def random_rows(count, seed=0, dim=DIM):
    rng = np.random.default_rng(seed)
    basis = np.random.default_rng(99).standard_normal((12, dim))
    noise = rng.standard_normal((count, dim))
    return (rng.standard_normal((count, 12)) @ basis + 0.1 * noise).astype(np.float32)


@pytest.fixture(scope="session")
def x():
    rows = random_rows(3000)
    rows.flags.writeable = False
    return rows


@pytest.fixture(scope="session")
def model(x):
    return vecodec.fit(x, bytes=16, regions=2, states=16, seed=1)


@pytest.fixture(scope="session")
def codec(model):
    return vecodec.Codec(model, "cpu")


@pytest.fixture(scope="session")
def codes(codec, x):
    return codec.encode(x)


@pytest.fixture
def index(codec, codes):
    return vecodec.Index(codec, codes)
