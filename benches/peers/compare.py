#!/usr/bin/env python3
"""Compares this library with PyTorch and FAISS on the same work in one run, as ratios.

    python3 benches/peers/compare.py [--engine auto|gpu|cpu] [--rows N] [--dim D] [--latent L]
    python3 benches/peers/compare.py --engine cpu --threads 1 --bytes 64 --data ROWS.npy

The second form compares bit codes with FAISS's product quantisers of as many bytes. Needs the built
example (`cargo build --release --example throughput`) and the package `torch` or `faiss-cpu` for each
comparison. A missing package is named, and its comparison is left out. PyTorch runs on CUDA if it can
and this library runs on a GPU. All weights are resident. All batches begin and end in host memory.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def rate(rows, work, runs):
    """Rows per second: the median of `runs` calls after two warm-up calls."""
    seconds = []
    for _ in range(runs + 2):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
        del result  # after the timed span, as in the example
    return rows / statistics.median(seconds[2:])


def ours(args):
    program = args.program or ROOT / "target/release/examples/throughput"
    command = [program, "--engine", args.engine, "--rows", args.rows, "--runs", args.runs]
    if args.bytes:
        command += ["--bytes", args.bytes, "--regions", args.regions, "--data", args.data]
    else:
        command += ["--dim", args.dim, "--latent", args.latent]
    threads = {"RAYON_NUM_THREADS": str(args.threads)} if args.threads else {}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          env=os.environ | threads)
    if done.returncode != 0:
        sys.exit(f"{program} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def torch_rates(args, on_gpu):
    """PyTorch: encode = project, absmax, round; decode = dequantise, addmm."""
    import torch

    device = "cuda" if on_gpu and torch.cuda.is_available() else "cpu"
    torch.set_num_threads(args.threads or torch.get_num_threads())
    rows, dim, latent, runs = args.rows, args.dim, args.latent, args.runs
    sync = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    generator = torch.Generator().manual_seed(1)
    uniform = lambda *shape: torch.rand(*shape, generator=generator) * 2 - 1
    encoder, decoder, bias = (t.to(device) for t in
                              (uniform(dim, latent), uniform(latent, dim), uniform(dim)))
    x = uniform(rows, dim)
    codes = torch.randint(-127, 128, (rows, latent), dtype=torch.int8, generator=generator)
    scales = torch.rand(rows, 1, generator=generator)

    def encode():
        z = x.to(device) @ encoder
        scale = z.abs().amax(dim=1, keepdim=True) / 127
        return (z / scale).round().to(torch.int8).cpu(), scale.cpu()

    def decoded(n=rows):
        z = codes[:n].to(device).float() * scales[:n].to(device)
        return torch.addmm(bias, z, decoder)

    found = {
        "encode_flat": ("encode, codes to host", rate(rows, encode, runs)),
        "decode_flat": ("decode, .cpu()", rate(rows, lambda: decoded().cpu(), runs)),
    }
    out = torch.zeros(rows, dim)
    found["decode_into"] = (
        "decode into a warm pageable tensor", rate(rows, lambda: out.copy_(decoded()), runs))
    if device == "cuda":
        pinned = torch.zeros(rows, dim, pin_memory=True)

        def into_pinned():
            pinned.copy_(decoded(), non_blocking=True)
            sync()

        found["decode_mapped"] = ("decode into pinned memory", rate(rows, into_pinned, runs))
    few = min(rows, 10_000)
    found["decode"] = ("decode, .tolist()", rate(few, lambda: decoded(few).tolist(), 1))
    return f"PyTorch {torch.__version__} on {device}", found


def standalone_rates(index, x, runs):
    """The rates of a trained FAISS index as a codec."""
    codes = index.sa_encode(x)
    return {
        "encode_flat": ("sa_encode", rate(len(x), lambda: index.sa_encode(x), runs)),
        "decode_flat": ("sa_decode", rate(len(x), lambda: index.sa_decode(codes), runs)),
    }


def faiss_rates(args):
    """FAISS: PCA and 8-bit scalar quantiser, standalone encode and decode."""
    import faiss
    import numpy

    rows, dim, latent = args.rows, args.dim, args.latent
    if args.threads:
        faiss.omp_set_num_threads(args.threads)
    x = numpy.random.default_rng(1).standard_normal((rows, dim), dtype=numpy.float32)
    index = faiss.index_factory(dim, f"PCA{latent},SQ8")
    index.train(x[:max(4 * dim, 4096)])
    return f"FAISS {faiss.__version__} PCA{latent},SQ8", standalone_rates(index, x, args.runs)


def faiss_bits_rates(args):
    """FAISS: product quantisers after a rotation, standalone encode and decode. The rates are those of
    `OPQ..,PQ..`, whose rotation is a learned one. They do not depend on the fit, so that few rounds do.

    Yields one quantiser of all dimensions and one of four dimensions per byte. FAISS has faster loops
    for subspaces of 1, 2, 4, 8 or 12 dimensions than for others.
    """
    import faiss
    import numpy

    if args.threads:
        faiss.omp_set_num_threads(args.threads)
    data = numpy.load(args.data).astype(numpy.float32)
    x = numpy.resize(data, (args.rows, data.shape[1]))
    for dims in [data.shape[1] // args.bytes * args.bytes, 4 * args.bytes]:
        factory = f"RR{dims},PQ{args.bytes}np"
        index = faiss.index_factory(data.shape[1], factory)
        clustering = faiss.downcast_index(index.index).pq.cp
        clustering.niter, clustering.min_points_per_centroid = 2, 1
        index.train(data)
        built = " ".join(faiss.get_compile_options().split())
        yield f"FAISS {faiss.__version__} ({built}) {factory}", standalone_rates(index, x, args.runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default="auto", choices=["auto", "gpu", "cpu"])
    parser.add_argument("--program", help="the built example `throughput`")
    parser.add_argument("--threads", type=int, help="threads of PyTorch and FAISS, and of the CPU engine")
    parser.add_argument("--bytes", type=int, help="compare bit codes of this many bytes per row")
    parser.add_argument("--regions", type=int, default=1, help="with --bytes")
    parser.add_argument("--data", help="a .npy file of rows, with --bytes")
    for name, default in [("rows", 20_000), ("dim", 768), ("latent", 128), ("runs", 7)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    if args.bytes and not args.data:
        parser.error("--bytes needs --data")

    mine = ours(args)
    shape = f"{args.bytes} bytes, {args.regions} regions" if args.bytes else f"{args.dim} -> {args.latent}"
    print(f"vecodec on {mine['engine']}, {args.rows} rows, {shape}")
    for name in ["encode_flat", "encode", "decode_flat", "decode", "decode_into", "decode_mapped",
                 "memcpy", "link"]:
        if name in mine:
            share = f"  {mine[name] / mine['link']:.2f} of the link" if "link" in mine else ""
            print(f"  {name:14} {mine[name] / 1e6:9.3f} M/s{share}")

    on_gpu = not mine["engine"].startswith("cpu ")
    peers = [lambda: faiss_bits_rates(args)] if args.bytes else [
        lambda: [torch_rates(args, on_gpu)], lambda: [faiss_rates(args)]]
    for peer in peers:
        try:
            for title, found in peer():
                print(f"{title}, and vecodec over it")
                for verb, (what, value) in found.items():
                    ratio = mine[verb] / value
                    print(f"  {what:36} {value / 1e6:9.3f} M/s   {verb:14} {ratio:7.2f}x")
        except ImportError as absent:
            print(f"left out: {absent}")


if __name__ == "__main__":
    main()
