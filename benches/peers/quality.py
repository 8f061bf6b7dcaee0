#!/usr/bin/env python3
"""Compares the quality of this library's codes with other codecs at the same bytes per row.

    cargo build --release -p vecodec-cli
    python3 benches/peers/quality.py TRAIN.npy TEST.npy QUERIES.npy [--record NAME]

All codecs are fitted on the training rows and measured on the test rows. No codec sees the queries
before they are measured. Bytes per row include norms, scales and numbers of lists.

relative_mse       The squared error of all decoded rows, divided by the squared norm of all rows.
mean_cosine        The mean cosine of a row and its decoded row.
recall@k           The share of the k true nearest rows among the k found. The true nearest rows of
                   a query are the test rows with the largest inner products with the query. The
                   rows found are those with the largest inner products after decoding.
recall@k_scaled    The same, where each decoded row is first scaled to the norm of the row that was
                   encoded. This score is the better one for nearly all codecs. It needs that norm,
                   which is not among the bytes per row. Rows of unit norm need no such bytes.

The bound is the least relative MSE of Gaussian rows that have the covariance of the test rows, by
reverse water-filling. A model of several regions may lie below it.

`--record NAME` writes three files to benches/record/NAME, with D values per row: quality-D.csv (the
table), quality-D.svg (the chart, with the best variant of each family) and quality-D.txt (the
machine, versions, date and command). Needs numpy, and faiss-cpu and turbovec for their codecs. A
codec whose package is missing is left out, and a line says so. Speed is what compare.py measures.
"""

import argparse
import csv
import datetime
import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np

import ash
import chart
import faiss_codecs
import search_codecs
import vecodec_codecs
from coded import Data

ROOT = Path(__file__).resolve().parents[2]
FIELDS = ["family", "codec", "budget", "bytes_per_row", "relative_mse", "mean_cosine",
          "recall@1", "recall@10", "recall@1_scaled", "recall@10_scaled"]


def figures(data, truth, coded):
    """Returns the fields of the table that tell how good a codec is."""
    norms, decoded = (np.linalg.norm(rows, axis=1) for rows in (data.test, coded.rows))
    cosine = (data.test * coded.rows).sum(axis=1) / np.maximum(norms * decoded, 1e-30)
    products = data.queries @ coded.rows.T
    scaled = products * (norms / np.maximum(decoded, 1e-30))
    error = ((data.test - coded.rows) ** 2).sum() / (data.test ** 2).sum()
    return {
        "bytes_per_row": coded.bytes_per_row,
        "relative_mse": f"{error:.5f}",
        "mean_cosine": f"{cosine.mean():.4f}",
        "recall@1": f"{recall(products, truth[:, :1]):.3f}",
        "recall@10": f"{recall(products, truth):.3f}",
        "recall@1_scaled": f"{recall(scaled, truth[:, :1]):.3f}",
        "recall@10_scaled": f"{recall(scaled, truth):.3f}",
    }


def nearest(scores, k):
    """Returns the numbers of the k rows with the largest scores, best first."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def shared(found, truth):
    """Returns the share of the true nearest rows among as many rows found."""
    return (found[:, :, None] == truth[:, None, :]).any(axis=2).mean()


def recall(scores, truth):
    """Returns the share of the true nearest rows among as many rows with the largest scores."""
    return shared(nearest(scores, truth.shape[1]), truth)


def bound(test, bytes_):
    """Returns the least relative MSE of Gaussian rows with the covariance of the test rows."""
    variances = np.linalg.eigvalsh(np.cov(test.T, bias=True)).clip(0)
    low, high = 0.0, variances.max()
    for _ in range(100):
        level = (low + high) / 2
        bits = np.log2(np.maximum(variances / level, 1)).sum() / 2
        low, high = (level, high) if bits > 8 * bytes_ else (low, level)
    return np.minimum(variances, level).sum() / (test ** 2).sum(axis=1).mean()


def measure(args, data):
    """Yields the lines of the table."""
    truth = nearest(data.queries @ data.test.T, 10)
    for budget in args.bytes:
        codecs = [*vecodec_codecs.codecs(budget, args.program, args.engine, args.states),
                  *faiss_codecs.codecs(data.dim, budget), *search_codecs.codecs(data.dim, budget),
                  *ash.codecs(data.dim, budget)]
        for codec in codecs:
            if not re.search(args.codecs, codec.name):
                continue
            try:
                found = figures(data, truth, codec.code(data))
            except (RuntimeError, ImportError) as error:
                print(f"{codec.name} left out: {str(error).strip().splitlines()[-1]}")
                continue
            yield {"family": codec.family, "codec": codec.name, "budget": budget, **found}
        yield {**dict.fromkeys(FIELDS, ""), "family": chart.BOUND, "codec": chart.BOUND,
               "budget": budget, "bytes_per_row": budget,
               "relative_mse": f"{bound(data.test, budget):.5f}"}


def facts(args):
    """Describes the machine, the versions and the command."""
    def version(package):
        try:
            return f"{package} {metadata.version(package)}"
        except metadata.PackageNotFoundError:
            return f"{package} is missing"

    def output(*command):
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()

    cpu = next((line.split(":")[1].strip() for line in output("lscpu").splitlines()
                if line.startswith("Model name")), platform.processor())
    try:
        faiss = faiss_codecs.version()
    except ImportError:
        faiss = "FAISS is missing"
    words = (Path(word).name if os.sep in word else word for word in sys.argv[1:])
    return "\n".join([
        f"date      {datetime.date.today()}",
        f"commit    {output('git', 'describe', '--always', '--dirty')}",
        f"cpu       {cpu}, {len(os.sched_getaffinity(0))} threads, engine {args.engine}",
        f"system    {platform.system()} {platform.release()}, {platform.machine()}",
        f"program   {output(args.program, '--version')}",
        f"peers     {faiss}; {version('turbovec')}; {version('numpy')}",
        f"command   python3 benches/peers/{Path(sys.argv[0]).name} {' '.join(words)}",
    ]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ["train", "test", "queries"]:
        parser.add_argument(name, type=Path)
    parser.add_argument("--bytes", type=int, nargs="*", default=[32, 64, 96, 128, 192])
    parser.add_argument("--states", type=int, default=256, help="states of the trellis")
    parser.add_argument("--codecs", default="", help="a regular expression of the names to measure")
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/vecodec")
    parser.add_argument("--engine", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--record", help="a folder under benches/record to write to")
    args = parser.parse_args()
    if not args.program.exists():
        parser.error(f"{args.program} does not exist; build it, or name the program with --program")
    train, test, queries = (np.load(path).astype(np.float32)
                            for path in (args.train, args.test, args.queries))
    data = Data(train, test, queries, args.train, args.test)
    about = facts(args)
    print(about)
    layout = "{codec:34}" + "".join(f"{{{field}:>{len(field) + 2}}}" for field in FIELDS[3:])
    print(layout.format(**dict(zip(FIELDS, FIELDS))))
    lines = []
    for line in measure(args, data):
        lines.append(line)
        print(layout.format(**line), flush=True)
        if args.record:
            write(ROOT / "benches/record" / args.record, data.dim, about, lines)


def write(folder, dim, about, lines):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"quality-{dim}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    (folder / f"quality-{dim}.svg").write_text(
        chart.draw(f"Quality of codes, {dim} values per row", lines))
    (folder / f"quality-{dim}.txt").write_text(about)


if __name__ == "__main__":
    main()
