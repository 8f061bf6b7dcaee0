#!/usr/bin/env python3
"""Compares the quality of this library's codes with FAISS codecs at the same bytes per row.

    cargo build --release -p vecodec-cli
    python3 benches/peers/quality.py TRAIN.npy TEST.npy QUERIES.npy [--record NAME]

All codecs are fitted on the training rows and measured on the test rows: relative MSE, mean
cosine, recall@1 and first@10. The true nearest row of a query is the test row with the largest
inner product with the query. The search finds the decoded rows with the largest inner products.
recall@1 is the share of queries whose true nearest row is found first. first@10 is the share of
queries whose true nearest row is among the ten rows found. Needs numpy and faiss-cpu. `--record NAME` writes
benches/record/NAME/quality.csv and quality.svg, a chart of the error over bytes. The chart
shows the lower bound for Gaussian rows of the same covariance, by reverse water-filling.
"""

import argparse
import csv
import json
import math
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/release/vecodec"
FIELDS = ["codec", "bytes_per_row", "relative_mse", "mean_cosine", "recall@1", "first@10",
          "fit_s", "encode_rows_per_s", "decode_rows_per_s"]


def ours(bytes_, states_):
    """Returns the arguments of `fit` by the name of the codec."""
    codecs = {
        "vecodec 8-bit": ["--latent", bytes_ - 4],
        "vecodec scalar": ["--bytes", bytes_, "--coding", "scalar"],
    }
    for states in states_:
        codecs[f"vecodec trellis {states}"] = ["--bytes", bytes_, "--states", states]
    return codecs


def peers(bytes_):
    """Returns FAISS factory strings."""
    dims = {32: "PCAR256,SQtqmse1", 64: "PCAR256,SQtqmse2", 128: "PCAR256,SQ4"}
    return [f"PCA{bytes_},SQ8", dims[bytes_], f"OPQ{bytes_},PQ{bytes_}",
            f"PRQ{bytes_ // 4}x4x8"]


def run(*words):
    done = subprocess.run([str(word) for word in (PROGRAM, *words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def measure_ours(name, arguments, files, engine):
    with tempfile.TemporaryDirectory() as folder:
        model, codes, rows = (f"{folder}/{n}" for n in ["model", "codes", "rows.npy"])
        start = time.perf_counter()
        run("fit", files.train, *arguments, "-o", model)
        fit = time.perf_counter() - start
        run("encode", files.test, "--model", model, "-o", codes, "--engine", engine)
        run("decode", codes, "--model", model, "-o", rows, "--engine", engine)
        rates = json.loads(
            run("eval", files.test, "--model", model, "--json", "--engine", engine))
        return np.load(rows), rates["bytes_per_row"], fit, (
            rates["encode_rows_per_s"], rates["decode_rows_per_s"])


def measure_faiss(factory, train, test):
    import faiss

    index = faiss.index_factory(train.shape[1], factory)
    start = time.perf_counter()
    index.train(train)
    fit = time.perf_counter() - start
    start = time.perf_counter()
    codes = index.sa_encode(test)
    encoded = time.perf_counter()
    decoded = index.sa_decode(codes)
    done = time.perf_counter()
    return decoded, index.sa_code_size(), fit, (
        len(test) / (encoded - start), len(test) / (done - encoded))


def figures(name, test, queries, truth, decoded, bytes_, fit, rates):
    norms = np.linalg.norm(test, axis=1) * np.linalg.norm(decoded, axis=1)
    cosine = (test * decoded).sum(axis=1) / np.maximum(norms, 1e-30)
    top = np.argsort(-(queries @ decoded.T), axis=1, kind="stable")[:, :10]
    found = top == truth[:, None]
    return dict(zip(FIELDS, [
        name, bytes_, f"{((test - decoded) ** 2).sum() / (test ** 2).sum():.4f}",
        f"{cosine.mean():.4f}", f"{found[:, 0].mean():.3f}", f"{found.any(axis=1).mean():.3f}",
        f"{fit:.1f}", f"{rates[0]:.0f}", f"{rates[1]:.0f}"]))


def bound(test, bytes_):
    """Returns the least relative MSE of Gaussian rows with the covariance of the test rows."""
    variances = np.linalg.eigvalsh(np.cov(test.T, bias=True)).clip(0)
    low, high = 0.0, variances.max()
    for _ in range(100):
        level = (low + high) / 2
        bits = np.log2(np.maximum(variances / level, 1)).sum() / 2
        low, high = (level, high) if bits > 8 * bytes_ else (low, level)
    return np.minimum(variances, level).sum() / (test ** 2).sum(axis=1).mean()


COLOURS = ["#1b6ca8", "#2e933c", "#d1495b", "#8d6a9f", "#c98a1b", "#2a9d9d", "#777", "#aaa", "#a0522d",
           "#5b8c5a", "#000"]


def chart(lines, bounds):
    """Draws the error over bytes per row, both logarithmic."""
    series = {}
    for line in lines:
        name = line["codec"] if line["codec"].startswith("vecodec") else (
            "FAISS " + "".join(c for c in line["codec"].split("x")[0] if not c.isdigit()))
        series.setdefault(name, []).append((int(line["bytes_per_row"]), float(line["relative_mse"])))
    series["bound (Gaussian)"] = sorted(bounds.items())
    left, top, width, height = 60, 40, 420, 340
    xs, ys = (32, 132), (0.008, 0.8)
    to_pixels = lambda x, y: tuple(
        start + length * share for start, length, share in (
            (left, width, math.log(x / xs[0]) / math.log(xs[1] / xs[0])),
            (top, height, math.log(ys[1] / y) / math.log(ys[1] / ys[0]))))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 220}" '
           f'height="{top + height + 55}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{left}" y="22" font-size="15">Relative MSE over bytes per row</text>']
    for y in [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]:
        _, py = to_pixels(xs[0], y)
        out += [f'<line x1="{left}" y1="{py:.1f}" x2="{left + width}" y2="{py:.1f}" stroke="#ddd"/>',
                f'<text x="{left - 8}" y="{py + 4:.1f}" text-anchor="end">{y}</text>']
    for x in [32, 64, 128]:
        px, _ = to_pixels(x, ys[0])
        out.append(f'<text x="{px:.1f}" y="{top + height + 20}" text-anchor="middle">{x}</text>')
    for at, (name, points) in enumerate(series.items()):
        colour, y = COLOURS[at % len(COLOURS)], top + 10 + 20 * at
        dash = "" if name.startswith("vecodec") else ' stroke-dasharray="5 4"'
        path = " ".join("{:.1f},{:.1f}".format(*to_pixels(*point)) for point in sorted(points))
        out += [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>',
                f'<line x1="{left + width + 15}" y1="{y}" x2="{left + width + 40}" y2="{y}" '
                f'stroke="{colour}" stroke-width="2"{dash}/>',
                f'<text x="{left + width + 46}" y="{y + 4}">{name}</text>']
        out += ['<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="{}"/>'.format(*to_pixels(*point), colour)
                for point in points]
    return "\n".join(out + ["</svg>"]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ["train", "test", "queries"]:
        parser.add_argument(name)
    parser.add_argument("--bytes", type=int, nargs="*", default=[32, 64, 128])
    parser.add_argument("--states", type=int, nargs="*", default=[256, 1024])
    parser.add_argument("--engine", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--record", help="a folder under benches/record to write to")
    args = parser.parse_args()
    train, test, queries = (np.load(path) for path in (args.train, args.test, args.queries))
    truth = np.argmax(queries @ test.T, axis=1)
    lines, bounds = [], {}
    print(("{:26}" + "{:>18}" * (len(FIELDS) - 1)).format(*FIELDS))
    for bytes_ in args.bytes:
        bounds[bytes_] = bound(test, bytes_)
        todo = [(name, lambda n=name, a=words: measure_ours(n, a, args, args.engine))
                for name, words in ours(bytes_, args.states).items()]
        todo += [(name, lambda n=name: measure_faiss(n, train, test)) for name in peers(bytes_)]
        for name, work in todo:
            try:
                line = figures(name, test, queries, truth, *work())
            except (RuntimeError, ImportError) as error:
                print(f"{name:26} left out: {str(error).strip().splitlines()[-1]}")
                continue
            lines.append(line)
            print(("{:26}" + "{:>18}" * (len(FIELDS) - 1)).format(*line.values()), flush=True)
        print(f"{'bound (Gaussian)':26}{bytes_:>18}{bounds[bytes_]:>18.4f}")
    if args.record:
        folder = ROOT / "benches/record" / args.record
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "quality.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)
        (folder / "quality.svg").write_text(chart(lines, bounds))


if __name__ == "__main__":
    main()
