#!/usr/bin/env python3
"""Turns criterion's results into a table and a chart: benches/record/<name>/.

    cargo bench --bench verbs
    python3 benches/record.py NAME [--criterion target/criterion]

Writes NAME/verbs.csv (median and 95th percentile of a call in milliseconds, rows per second),
NAME/machine.txt, and NAME/throughput-{gpu,cpu}.svg, which are drawn from the table alone.
`--chart-only` draws them again from an existing table. Needs no packages.
"""

import argparse
import csv
import datetime
import json
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIELDS = ["group", "verb", "rows", "median_ms", "p95_ms", "rows_per_s"]


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, round(share * (len(values) - 1)))]


def read(folder):
    """Reads one line per benchmark from the raw samples."""
    lines = []
    for sample in folder.rglob("new/sample.json"):
        about = json.loads((sample.parent / "benchmark.json").read_text())
        data = json.loads(sample.read_text())
        calls = [time / count for time, count in zip(data["times"], data["iters"])]
        median = percentile(calls, 0.5)
        rows = int(about["value_str"])
        lines.append({
            "group": about["group_id"], "verb": about["function_id"], "rows": rows,
            "median_ms": f"{median / 1e6:.4g}", "p95_ms": f"{percentile(calls, 0.95) / 1e6:.4g}",
            "rows_per_s": f"{rows / median * 1e9:.4g}",
        })
    return sorted(lines, key=lambda line: (line["group"], line["verb"], line["rows"]))


def facts():
    """Describes this machine."""
    def first(command):
        try:
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
            return done.stdout.strip()
        except OSError:
            return ""

    cpu = next((line.split(":", 1)[1].strip() for line in first(["lscpu"]).splitlines()
                if line.startswith("Model name")), platform.processor())
    threads = first(["nproc"])
    gpu = first(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"])
    lines = [
        f"date      {datetime.date.today()}",
        f"commit    {first(['git', 'describe', '--always', '--dirty'])}",
        f"cpu       {cpu}, {threads} threads",
        f"system    {platform.system()} {platform.release()}, {platform.machine()}",
        f"rustc     {first(['rustc', '--version'])}",
        "command   cargo bench --bench verbs && python3 benches/record.py",
    ]
    if gpu:
        lines.insert(3, f"gpu       {gpu}")
    return "\n".join(lines) + "\n"


COLOURS = ["#1b6ca8", "#d1495b", "#2e933c", "#8d6a9f", "#c98a1b", "#2a9d9d", "#444444", "#999999"]


def chart(lines, group, title):
    """Draws rows per second over rows per batch, with a line per verb and ceiling."""
    wanted = {(line["group"], line["verb"]) for line in lines
              if line["group"] in (group, "ceiling") or line["group"].startswith("predecessor")}
    series = {}
    for key in sorted(wanted, key=lambda key: (key[0] != group, key)):
        points = [(int(line["rows"]), float(line["rows_per_s"])) for line in lines
                  if (line["group"], line["verb"]) == key]
        name = key[1] if key[0] == group else f"{key[1]} ({key[0].split('/')[0]})"
        series[name] = sorted(points)
    import math
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    left, top, width, height = 70, 40, 520, 320
    x_low, x_high = math.log10(min(xs)), math.log10(max(xs)) or 1
    y_low, y_high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
    to_pixels = lambda x, y: (
        left + (math.log10(x) - x_low) / (x_high - x_low) * width,
        top + height - (math.log10(y) - y_low) / (y_high - y_low) * height)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 210}" '
           f'height="{top + height + 60}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{left}" y="22" font-size="15">{title}</text>']
    for power in range(y_low, y_high + 1):
        _, y = to_pixels(min(xs), 10 ** power)
        label = {3: "1 k", 4: "10 k", 5: "100 k", 6: "1 M", 7: "10 M", 8: "100 M"}.get(
            power, f"1e{power}")
        out.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}" '
                   'stroke="#ddd"/>')
        out.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for x in sorted(set(xs)):
        px, _ = to_pixels(x, ys[0])
        out.append(f'<text x="{px:.1f}" y="{top + height + 18}" text-anchor="middle">{x:,}</text>')
    out.append(f'<text x="{left + width / 2}" y="{top + height + 40}" text-anchor="middle">'
               'rows per call</text>')
    for at, (name, points) in enumerate(series.items()):
        colour = COLOURS[at % len(COLOURS)]
        dash = "" if "(" not in name else ' stroke-dasharray="5 4"'
        path = " ".join("{:.1f},{:.1f}".format(*to_pixels(x, y)) for x, y in points)
        y = top + 10 + at * 20
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                   f'stroke-width="2"{dash}/>')
        out.append(f'<line x1="{left + width + 15}" y1="{y}" x2="{left + width + 40}" y2="{y}" '
                   f'stroke="{colour}" stroke-width="2"{dash}/>')
        out.append(f'<text x="{left + width + 46}" y="{y + 4}">{name}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="a name for the adapter: llvmpipe, nvidia-h200, ...")
    parser.add_argument("--criterion", type=Path, default=ROOT / "target/criterion")
    parser.add_argument("--chart-only", action="store_true")
    args = parser.parse_args()
    folder = ROOT / "benches/record" / args.name
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "verbs.csv"
    if not args.chart_only:
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(read(args.criterion))
        (folder / "machine.txt").write_text(facts())
    with table.open() as file:
        lines = list(csv.DictReader(file))
    for engine in ["gpu", "cpu"]:
        group = f"{engine}/768to128"
        if any(line["group"] == group for line in lines):
            title = f"Rows per second, 768 to 128, {args.name}, {engine.upper()} engine"
            (folder / f"throughput-{engine}.svg").write_text(chart(lines, group, title))


if __name__ == "__main__":
    main()
