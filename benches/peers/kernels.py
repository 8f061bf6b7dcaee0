#!/usr/bin/env python3
"""Compares the GPU time of this library's kernels with PyTorch on the same GPU, in one run.

    cargo build --release --bench kernels
    python3 benches/peers/kernels.py --program target/release/deps/kernels-...

PyTorch decodes as dequantise + addmm, and encodes as project + absmax + round, with everything
resident, in fp32 and in tf32. Needs `torch` with CUDA.
"""

import argparse
import csv
import statistics
import subprocess
import sys

DIM, LATENT, ROWS = 768, 128, 400_000


def torch_rates():
    import torch

    generator = torch.Generator(device="cuda").manual_seed(1)
    uniform = lambda *shape: torch.rand(*shape, generator=generator, device="cuda") * 2 - 1
    encoder, decoder, bias = uniform(DIM, LATENT), uniform(LATENT, DIM), uniform(DIM)
    x, scales = uniform(ROWS, DIM), uniform(ROWS, 1)
    codes = torch.randint(-127, 128, (ROWS, LATENT), dtype=torch.int8, device="cuda")

    def decode():
        return torch.addmm(bias, codes.float() * scales, decoder)

    def encode():
        z = x @ encoder
        scale = z.abs().amax(dim=1, keepdim=True) / 127
        return (z / scale).round().to(torch.int8), scale

    def rate(work):
        times = []
        for run in range(24):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            result = work()
            end.record()
            torch.cuda.synchronize()
            del result
            if run >= 3:
                times.append(begin.elapsed_time(end) / 1e3)
        return ROWS / statistics.median(times) / 1e6

    found = {}
    for name, allowed in [("F32", False), ("F16", True)]:
        torch.backends.cuda.matmul.allow_tf32 = allowed
        found[name] = {"decode": rate(decode), "encode": rate(encode)}
    return f"PyTorch {torch.__version__}", found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="the built benchmark `kernels`")
    done = subprocess.run([parser.parse_args().program, "--bench"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    print(done.stdout, end="")
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    title, peers = torch_rates()
    print(f"# {title}, million rows per second at {DIM} -> {LATENT}, and vecodec over it")
    for line in csv.DictReader(lines):
        peer = peers[line["precision"]].get(line["program"])
        if peer and (int(line["dim"]), int(line["latent"])) == (DIM, LATENT):
            mine = float(line["million_rows_per_s"])
            what = {"F32": "fp32", "F16": "tf32"}[line["precision"]]
            print(f"# {line['program']} {line['precision']}: PyTorch {what} {peer:.1f}, "
                  f"{mine / peer:.2f}x")


if __name__ == "__main__":
    main()
