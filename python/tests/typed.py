"""Code of a user's, for `mypy --strict`."""

import numpy as np
from numpy.typing import NDArray

import vecodec


def best(x: NDArray[np.float32], q: NDArray[np.float32]) -> NDArray[np.int64]:
    model: vecodec.Model = vecodec.fit(x, bytes=24, regions=1, progress=lambda name, error, seconds: None)
    codec = vecodec.Codec(model, engine="cpu")
    codes: vecodec.Codes = codec.encode(x)[10:20]
    index = vecodec.Index(codec, codes, metric="l2")
    index.add(codes[[3, 1]], ids=np.arange(100, 102))
    scores, ids = index.search(q, k=3, filter=[1, 2])
    error: float = codec.evaluate(x).relative_mse
    print(scores.shape, error, codec.decode(codes, dtype="float16"))
    return ids
