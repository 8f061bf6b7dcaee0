"""Compares Python packages that compress and search embeddings, on the CPU, at equal bytes per row.

    python python/benches/peers.py TRAIN.npy TEST.npy QUERIES.npy [--threads 1]

Codecs are fitted to TRAIN. TEST is encoded, decoded and searched for ten rows of each query, one query a call and all
queries in one call. recall@10 is the share of the ten nearest rows, by inner product of the rows themselves, among
the ten found. Rates are medians of several calls, in rows per second; a search's rows are those of TEST times queries.
What a package cannot do is left out. Prints a CSV table. Needs faiss-cpu, turbovec, usearch and sentence-transformers
for theirs.

The imports and the sizes of the packages are measured last: each import in a process of its own, after NumPy.
"""

import argparse
import importlib.metadata
import os
import subprocess
import sys
import time

HITS = 10


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("train", "test", "queries"):
        parser.add_argument(name)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def median(work):
    """The median of the seconds of at least five calls, and of as many as a second has."""
    work()
    times, end = [], time.perf_counter() + 1
    while len(times) < 5 or (time.perf_counter() < end and len(times) < 200):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


class Vecodec:
    def __init__(self, train, size, **options):
        import vecodec

        self.vecodec = vecodec
        self.codec = vecodec.Codec(vecodec.fit(train, **options), "cpu")
        assert self.codec.model.bytes_per_row == size, self.codec.model

    def encode(self, rows):
        return self.codec.encode(rows)

    def decode(self, codes):
        return self.codec.decode(codes)

    def index(self, codes):
        index = self.vecodec.Index(self.codec, codes, metric="cosine")
        return lambda queries: index.search(queries, k=HITS)[1]


class Faiss:
    def __init__(self, train, kind):
        import faiss

        faiss.omp_set_num_threads(THREADS)
        self.faiss = faiss
        self.dim = train.shape[1]
        self.empty = faiss.index_factory(self.dim, kind, faiss.METRIC_INNER_PRODUCT)
        if not self.empty.is_trained:
            self.empty.train(train)

    def encode(self, rows):
        return self.empty.sa_encode(rows)

    def decode(self, codes):
        return self.empty.sa_decode(codes)

    def index(self, codes):
        index = self.faiss.clone_index(self.empty)
        index.add_sa_codes(codes, None) if hasattr(index, "add_sa_codes") else index.add(self.decode(codes))
        return lambda queries: index.search(queries, HITS)[1]


class Turbovec:
    def __init__(self, train, bits):
        import turbovec

        self.turbovec, self.dim, self.bits = turbovec, train.shape[1], bits

    def encode(self, rows):
        index = self.turbovec.TurboQuantIndex(self.dim, self.bits)
        index.add(rows)
        return index

    def index(self, index):
        return lambda queries: index.search(queries, HITS)[1]


class Usearch:
    def __init__(self, train):
        from usearch.index import Index

        self.Index, self.dim = Index, train.shape[1]

    def encode(self, rows):
        import numpy as np

        return np.round(rows * 127).clip(-127, 127).astype(np.int8)

    def index(self, codes):
        from usearch.index import MetricKind, search

        return lambda queries: search(
            codes, self.encode(queries), HITS, MetricKind.Cos, exact=True, threads=THREADS
        ).keys.reshape(len(queries), HITS)


class SentenceTransformers:
    """Its own quantiser, and its own search: exact, with FAISS's flat index for bits."""

    def __init__(self, train, precision):
        from sentence_transformers.util import quantization

        self.quantization, self.precision, self.train = quantization, precision, train

    def encode(self, rows):
        options = {"calibration_embeddings": self.train} if self.precision.endswith("int8") else {}
        return self.quantization.quantize_embeddings(rows, self.precision, **options)

    def index(self, codes):
        import numpy as np

        if self.precision == "ubinary":
            return lambda queries: np.array(
                [
                    [hit["corpus_id"] for hit in hits]
                    for hits in self.quantization.semantic_search_faiss(
                        queries, codes, corpus_precision="ubinary", top_k=HITS, exact=True, rescore=False
                    )[0]
                ]
            )
        wide = codes.astype(np.float32)
        ranges = np.stack([self.train.min(axis=0), self.train.max(axis=0)])
        steps, starts = (ranges[1] - ranges[0]) / 255, ranges[0]

        def search(queries):
            scores = queries * steps @ (wide + 128).T + (queries @ starts)[:, None]
            found = np.argpartition(-scores, HITS, axis=1)[:, :HITS]
            order = np.argsort(-np.take_along_axis(scores, found, axis=1), axis=1)
            return np.take_along_axis(found, order, axis=1)

        return search


CASES = {
    "vecodec, 8-bit latents": (100, lambda x: Vecodec(x, 100, latent=96)),
    "vecodec, scalar": (64, lambda x: Vecodec(x, 64, bytes=64, coding="scalar")),
    "vecodec, trellis": (48, lambda x: Vecodec(x, 48, bytes=48)),
    "vecodec, trellis, 64 bytes": (64, lambda x: Vecodec(x, 64, bytes=64)),
    "vecodec, trellis, 100 bytes": (100, lambda x: Vecodec(x, 100, bytes=100)),
    "vecodec, trellis, 192 bytes": (192, lambda x: Vecodec(x, 192, bytes=192)),
    "FAISS, SQ4": (192, lambda x: Faiss(x, "SQ4")),
    "FAISS, SQ8": (384, lambda x: Faiss(x, "SQ8")),
    "FAISS, RaBitQ": (56, lambda x: Faiss(x, "RaBitQ")),
    "turbovec, 2 bits": (100, lambda x: Turbovec(x, 2)),
    "turbovec, 4 bits": (196, lambda x: Turbovec(x, 4)),
    "usearch, int8": (384, lambda x: Usearch(x)),
    "sentence-transformers, int8": (384, lambda x: SentenceTransformers(x, "int8")),
    "sentence-transformers, ubinary": (48, lambda x: SentenceTransformers(x, "ubinary")),
}


def measure(name, size, make, train, test, queries, nearest):
    codec = make(train)
    encode = len(test) / median(lambda: codec.encode(test))
    codes = codec.encode(test)
    decode = f"{len(test) / median(lambda: codec.decode(codes)):.0f}" if hasattr(codec, "decode") else ""
    search = codec.index(codes)
    hits = search(queries)
    recall = sum(len(set(a) & set(b)) for a, b in zip(hits.tolist(), nearest.tolist())) / nearest.size
    one = len(test) / median(lambda: search(queries[:1]))
    many = len(test) * len(queries) / median(lambda: search(queries))
    print(f'"{name}",{size},{encode:.0f},{decode},{one:.0f},{many:.0f},{recall:.3f}', flush=True)


def main():
    import numpy as np

    paths = arguments()
    train, test, queries = (np.load(path).astype(np.float32) for path in (paths.train, paths.test, paths.queries))
    nearest = np.argsort(-(queries @ test.T), axis=1, kind="stable")[:, :HITS]
    print("codec,bytes,encode_rows_per_s,decode_rows_per_s,search_1,search_all,recall@10", flush=True)
    for name, (size, make) in CASES.items():
        try:
            measure(name, size, make, train, test, queries, nearest)
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    print("package,version,import_ms,bytes")
    for package, module in [
        ("vecodec", "vecodec"),
        ("faiss-cpu", "faiss"),
        ("turbovec", "turbovec"),
        ("usearch", "usearch.index"),
        ("sentence-transformers", "sentence_transformers"),
    ]:
        try:
            files = importlib.metadata.files(package) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        size = sum(path.stat().st_size for path in map(lambda file: file.locate(), files) if path.is_file())
        script = f"import time, numpy; s = time.perf_counter(); import {module}; print(time.perf_counter() - s)"
        times = sorted(float(subprocess.check_output([sys.executable, "-c", script])) for _ in range(5))
        print(f"{package},{importlib.metadata.version(package)},{1000 * times[2]:.0f},{size}", flush=True)


if __name__ == "__main__":
    THREADS = arguments().threads
    for variable in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(THREADS)
    main()
