#!/usr/bin/env python3
"""Compares exhaustive searches on the CPU or a GPU: rates and recall, by bytes per row.

    cargo build --release -p vecodec-cli
    cargo build --release --example search_throughput
    python3 benches/peers/search.py TRAIN.npy TEST.npy QUERIES.npy [--engine gpu] [--rows N,N..] [--record NAME]

All codecs are fitted on the training rows. recall@k is the share of the k true nearest test rows (by
inner product) among the k found, when the test rows alone are searched. For the rates, the codes of
the test rows are repeated up to each of --rows. A rate is rows times queries per second, of the median of
several searches for ten hits each, with so many queries together. All codecs use --threads threads,
one by default.

vecodec searches by cosine, and so do the peers, as far as rows of norm 1 make inner products cosines.
The peers score the rows as they decode them.

With `--engine gpu` PyTorch is a peer, too: a product of rows in f16 with the queries, then topk, on the
same GPU. Its rows are random, because its rate depends on none of their values. The other peers search on
the CPU, up to --cpu-rows rows.

`--record NAME` writes search-cpu.csv, .txt and .svg, or search-gpu.*, to benches/record/NAME. With
`--models FOLDER` models are looked for there before they are fitted, and saved there. Needs numpy, and
faiss-cpu, turbovec and torch for their codecs.
"""

import argparse
import csv
import io
import json
import os
import tempfile
from pathlib import Path

import numpy as np

import scatter
from compare import rate
from quality import facts, nearest, shared
from vecodec_codecs import run

ROOT = Path(__file__).resolve().parents[2]
HITS = 10
RECALLS = [1, 10, 100]
# As FAISS names them.
FAISS = ["Flat", "SQ8", "PQ64x8", "PQ128x4fs", "RaBitQfs"]
OURS = {
    "vecodec 8-bit, 64 bytes": ["--latent", 60],
    "vecodec scalar, 64 bytes": ["--bytes", 64, "--coding", "scalar"],
    "vecodec trellis, 1 region, 64 bytes": ["--bytes", 64, "--regions", 1],
    "vecodec trellis, 32 bytes": ["--bytes", 32],
    "vecodec trellis, 64 bytes": ["--bytes", 64],
    "vecodec trellis, 128 bytes": ["--bytes", 128],
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ["train", "test", "queries"]:
        parser.add_argument(name, type=Path)
    parser.add_argument("--rows", default="200000", help="rows of the indexes, with commas")
    parser.add_argument("--cpu-rows", type=int, default=1_000_000, help="rows of peers on the CPU, at most")
    parser.add_argument("--together", default="1,16,256,1024", help="queries that are searched together")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--engine", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--models", type=Path, help="a folder of models")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--release", type=Path, default=ROOT / "target/release")
    parser.add_argument("--record", help="a folder under benches/record to write to")
    args = parser.parse_args()
    args.rows, args.together = ([int(number) for number in text.split(",")]
                                for text in (args.rows, args.together))
    return args


def recalls(truth, found):
    return {f"recall@{k}": round(float(shared(found[:, :k], truth[:, :k])), 4) for k in RECALLS}


def ours(args, options, truth):
    """Measures codes of this library."""
    program = args.release / "vecodec"
    with tempfile.TemporaryDirectory() as folder:
        model, codes, hits = (f"{folder}/{name}" for name in ["model", "codes", "hits.npz"])
        if args.models:
            model = args.models / f"{'-'.join(str(o).strip('-') for o in options)}.safetensors"
        if not Path(model).exists():
            run(program, "fit", args.train, *options, "-o", model, "--engine", "cpu")
        run(program, "encode", args.test, "--model", model, "-o", codes, "--engine", args.engine)
        run(program, "search", codes, "--model", model, "--queries", args.queries, "-k",
            max(RECALLS), "-o", hits, "--engine", args.engine)
        bytes_per_row = json.loads(run(program, "inspect", model, "--json"))["bytes_per_row"]
        rates = {}
        for rows in args.rows:
            table = run(args.release / "examples/search_throughput", args.test, args.queries, "--model",
                        model, "--rows", rows, "--together", ",".join(map(str, args.together)),
                        "--engine", args.engine, "--runs", args.runs)
            rates[rows] = {int(line["queries"]): float(line["million_row_queries_per_s"])
                           for line in csv.DictReader(io.StringIO(table))}
        return bytes_per_row, recalls(truth, np.load(hits)["ids"]), rates


def rates_of(args, fill, data):
    """Measures the searches of indexes of Python, which `fill` makes from their rows."""
    _, test, queries = data
    rates = {}
    for rows in args.rows:
        if args.engine == "gpu" and rows > args.cpu_rows:
            continue
        index = fill(np.resize(test, (rows, test.shape[1])))
        rates[rows] = {}
        for count in args.together:
            some = np.resize(queries, (count, queries.shape[1]))
            search = rate(rows * count, lambda: index.search(some, HITS), args.runs)
            rates[rows][count] = round(search / 1e6, 2)
    return rates


def faiss_index(args, name, data, truth):
    import faiss

    train, test, queries = data
    faiss.omp_set_num_threads(args.threads)
    index = faiss.index_factory(train.shape[1], name, faiss.METRIC_INNER_PRODUCT)
    index.train(train)
    def fill(rows):
        index.reset()
        index.add(rows)
        return index
    found = recalls(truth, fill(test).search(queries, max(RECALLS))[1])
    try:
        bytes_per_row = index.sa_code_size()
    except RuntimeError:
        bytes_per_row = faiss.downcast_index(index).code_size
    return bytes_per_row, found, rates_of(args, fill, data)


def turbovec_index(args, bits, data, truth):
    from turbovec import TurboQuantIndex

    train, test, queries = data
    def fill(rows):
        index = TurboQuantIndex(dim=train.shape[1], bit_width=bits)
        index.calibrate(train)
        index.add(rows)
        index.prepare()
        return index
    found = recalls(truth, fill(test).search(queries, max(RECALLS))[1].astype("int64"))
    return train.shape[1] * bits // 8 + 4, found, rates_of(args, fill, data)


def torch_products(args, data, truth):
    """Measures products of f16 rows with queries, and topk, on the GPU."""
    import torch

    queries, test = (torch.from_numpy(rows).cuda().half() for rows in (data[2], data[1]))
    found = recalls(truth, (queries @ test.T).topk(max(RECALLS)).indices.cpu().numpy())
    def rates_of_rows(count):
        rows = torch.empty(count, test.shape[1], dtype=torch.float16, device="cuda")
        for part in rows.split(1 << 20):
            part.normal_(std=test.shape[1] ** -0.5)
        # As many rows at a time as leave 8 GB for scores.
        def search(some):
            best = [(some @ part.T).topk(HITS) for part in rows.split((4 << 30) // len(some))]
            values = torch.cat([part.values for part in best], 1)
            chosen = values.topk(HITS)
            return chosen.values.cpu(), chosen.indices.cpu()
        rates = {}
        for together in args.together:
            some = torch.randn(together, test.shape[1], device="cuda").half()
            for _ in range(20):
                search(some)
            rates[together] = round(rate(count * together, lambda: search(some), args.runs) / 1e6, 2)
        return rates
    return 2 * test.shape[1], found, {count: rates_of_rows(count) for count in args.rows}


def main():
    args = arguments()
    # Before FAISS and turbovec are imported.
    os.environ["RAYON_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(args.threads)
    data = [np.load(path).astype(np.float32) for path in (args.train, args.test, args.queries)]
    truth = nearest(data[2] @ data[1].T, max(RECALLS))
    args.program = args.release / "vecodec"
    about = facts(args)
    if args.engine == "gpu":
        import torch

        about = about.rstrip() + f"\ngpu       {torch.cuda.get_device_name()}, PyTorch {torch.__version__}\n"
    print(about)
    measures = {name: lambda options=options: ours(args, options, truth)
                for name, options in OURS.items()}
    if args.engine == "gpu":
        measures["PyTorch f16"] = lambda: torch_products(args, data, truth)
    measures |= {f"FAISS {name}": lambda name=name: faiss_index(args, name, data, truth)
                 for name in FAISS}
    measures |= {f"turbovec {bits} bits": lambda bits=bits: turbovec_index(args, bits, data, truth)
                 for bits in [2, 4]}
    fields = ["codec", "bytes_per_row", *(f"recall@{k}" for k in RECALLS), "rows",
              *(f"million_row_queries_per_s, {count}" for count in args.together)]
    lines = []
    for name, measure in measures.items():
        try:
            bytes_per_row, found, rates = measure()
        except (RuntimeError, ImportError) as error:
            print(f"{name} left out: {str(error).strip().splitlines()[-1]}")
            continue
        for rows, of_rows in rates.items():
            lines.append({"codec": name, "bytes_per_row": bytes_per_row, **found, "rows": rows,
                          **{f"million_row_queries_per_s, {count}": value
                             for count, value in of_rows.items()}})
            print(*lines[-1].values(), sep="  ", flush=True)
    if args.record:
        folder = ROOT / "benches/record" / args.record
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"search-{args.engine}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, fields, lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)
        (folder / f"search-{args.engine}.txt").write_text(about)
        # Of the largest index that all of them searched.
        searched = [{line["rows"] for line in lines if line["codec"] == name}
                    for name in {line["codec"] for line in lines}]
        rows = max(set.intersection(*searched))
        title = f"Searches of {rows:,} rows, {data[0].shape[1]} values per row"
        (folder / f"search-{args.engine}.svg").write_text(
            scatter.draw(title, [line for line in lines if line["rows"] == rows]))


if __name__ == "__main__":
    main()
