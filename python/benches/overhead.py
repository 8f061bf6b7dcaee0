"""Measures what a call costs beside the library's own work, by number of rows.

    python python/benches/overhead.py [TRAIN.npy]

The library's time is that of `Codec.evaluate`, which the library measures itself, in the same process and on the
same rows. Rows are random if no file is given. Prints a CSV table; times are medians in microseconds.
"""

import subprocess
import sys
import time

import numpy as np

import vecodec


def median(work, runs):
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main():
    if len(sys.argv) > 1:
        x = np.load(sys.argv[1], mmap_mode="r")[:20_000].astype(np.float32)
    else:
        x = np.random.default_rng(0).standard_normal((20_000, 384)).astype(np.float32)
    codec = vecodec.Codec(vecodec.fit(x, bytes=64, regions=1, coding="scalar"), "cpu")
    print("verb,rows,call_us,library_us,overhead_us,overhead_percent")
    for count in (1, 1000, 100_000):
        rows = np.resize(x, (count, x.shape[1]))
        runs = 2000 if count == 1 else 41 if count == 1000 else 7
        call, library = [], []
        # In turns, so that both meet the same noise.
        for _ in range(5):
            call.append(median(lambda: codec.encode(rows), runs))
            found = [codec.evaluate(rows) for _ in range(min(runs, 200))]
            library.append(float(np.median([count / f.encode_rows_per_s for f in found])))
        a, b = (1e6 * float(np.median(side)) for side in (call, library))
        print(f"encode,{count},{a:.1f},{b:.1f},{a - b:.1f},{100 * (a - b) / b:.1f}", flush=True)
    script = "import time, numpy; s = time.perf_counter(); import vecodec; print(time.perf_counter() - s)"
    imports = [float(subprocess.check_output([sys.executable, "-c", script])) for _ in range(9)]
    print(f"import,0,{1e6 * float(np.median(imports)):.0f},,,")


if __name__ == "__main__":
    main()
