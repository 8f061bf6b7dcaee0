"""Fits codecs to real embeddings, draws their errors by bytes per row, and searches.

    python python/examples/embeddings.py [ROWS.npy]

Without a file, the rows are the 2,600 sentence embeddings of this repository. One half is fitted on, the other half is
measured. With FAISS (`pip install faiss-cpu`) its product quantiser is measured beside ours, after a learned rotation. With
matplotlib, the errors are drawn to embeddings.png. The `# %%` lines are the cells of a notebook.
"""

# %% Rows
import sys
from pathlib import Path

import numpy as np

import vecodec

path = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2] / "examples/data/wordnet-minilm-384.npy"
x = np.load(path).astype(np.float32)
x = x[np.random.default_rng(0).permutation(len(x))]
train, test = x[: len(x) // 2], x[len(x) // 2 :]
print(f"{len(train)} rows to fit on, {len(test)} to measure, {x.shape[1]} values per row")

# %% The error by bytes per row
sizes = [32, 64, 128]
codecs = {size: vecodec.Codec(vecodec.fit(train, bytes=size, objective="reconstruction")) for size in sizes}
errors = [codecs[size].evaluate(test).relative_mse for size in sizes]

print({size: round(error, 4) for size, error in zip(sizes, errors)})

# %% FAISS beside it, at the same sizes
curves = {"vecodec": errors}
try:
    import faiss
except ImportError:
    print("faiss is not installed: pip install faiss-cpu compares it")
else:
    curves["FAISS OPQ, PQ"] = []
    for size in sizes:
        quantiser = faiss.index_factory(x.shape[1], f"OPQ{size},PQ{size}x8np")
        # The usual 25 rounds lower the error little, and take minutes in some versions.
        faiss.downcast_index(quantiser.index).pq.cp.niter = 4
        opq = faiss.downcast_VectorTransform(quantiser.chain.at(0))
        opq.niter, opq.niter_pq, opq.niter_pq_0 = 10, 2, 4
        quantiser.train(train)
        decoded = quantiser.sa_decode(quantiser.sa_encode(test))
        curves["FAISS OPQ, PQ"].append(float(((test - decoded) ** 2).sum() / (test**2).sum()))
    print({size: round(error, 4) for size, error in zip(sizes, curves["FAISS OPQ, PQ"])})

# %% The curve
try:
    import matplotlib.pyplot as plt
except ImportError:
    print("matplotlib is not installed: pip install matplotlib draws the curve")
else:
    for name, curve in curves.items():
        plt.semilogy(sizes, curve, marker="o", label=name)
    plt.legend()
    plt.xlabel("bytes per row")
    plt.ylabel("relative squared error")
    plt.savefig("embeddings.png")

# %% A search of the codes, beside one of the rows themselves
codec = codecs[64]
index = vecodec.Index(codec, codec.encode(test), metric="cosine")
queries = train[:200]
scores, ids = index.search(queries, k=10)
units = test / np.linalg.norm(test, axis=1, keepdims=True)
exact = np.argsort(-(queries @ units.T), axis=1)[:, :10]
recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids, exact)])
print(f"recall@10 with 64 bytes per row: {recall:.3f}")
print(f"the row nearest to the first query is {ids[0, 0]}, of cosine {scores[0, 0]:.3f}")
