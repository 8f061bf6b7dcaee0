"""Draws searches as points: recall@10 over bytes per row, and over the rate. An SVG without any package.

    python3 benches/peers/scatter.py CSV > SVG

The table is one that `search.py --record` wrote; it draws it, too.
"""

import csv
import functools
import math
import sys

from chart import HEIGHT, LEFTS, TOP, WIDTH, colours_of, head, is_ours

RECALL = "recall@10"
RATE = "million_row_queries_per_s, "


def draw(title, lines):
    """Draws lines of the table: dictionaries with the fields of the csv file. Codecs are numbered."""
    # With more queries, some codecs have no room for their scores.
    together = max((field for field in lines[0] if field.startswith(RATE)),
                   key=lambda field: int(field[len(RATE):]))
    queries = together[len(RATE):]
    marks = [functools.partial(mark, number, name, colour) for number, (name, colour)
             in enumerate(colours_of(line["codec"] for line in lines).items(), 1)]
    out = head(title, 310)
    out += panel(LEFTS[0], "bytes per row", lines, "bytes_per_row", marks)
    out += panel(LEFTS[1], f"million rows times queries per second, {queries} queries together",
                 lines, together, marks)
    for number, (line, draw_mark) in enumerate(zip(lines, marks)):
        x, y = LEFTS[1] + WIDTH + 25, TOP + 10 + 22 * number
        out += [draw_mark(x, y), f'<text x="{x + 15}" y="{y + 4}">{line["codec"]}</text>']
    return "\n".join(out + ["</svg>"]) + "\n"


def mark(number, name, colour, x, y):
    """A numbered point: of this library's codecs a disk, of peers a ring."""
    fill, text = (colour, "white") if is_ours(name) else ("white", colour)
    return (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" fill="{fill}" stroke="{colour}" stroke-width="1.5"/>'
            f'<text x="{x:.1f}" y="{y + 3.5:.1f}" text-anchor="middle" font-size="9.5" '
            f'fill="{text}">{number}</text>')


def panel(left, label, lines, field, marks):
    values = [float(line[field]) for line in lines]
    recalls = [float(line[RECALL]) for line in lines]
    low, high = min(values) / 1.3, max(values) * 1.3
    least = math.floor(min(recalls) * 10) / 10

    def x(value):
        return left + WIDTH * math.log(value / low) / math.log(high / low)

    def y(recall):
        return TOP + HEIGHT * (1 - (recall - least) / (1.02 - least))

    out = [f'<text x="{left}" y="{TOP - 12}">recall@10</text>',
           f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 38}" text-anchor="middle">{label}</text>']
    for tenth in range(round(least * 10), 11):
        at = y(tenth / 10)
        out += [f'<line x1="{left}" y1="{at:.1f}" x2="{left + WIDTH}" y2="{at:.1f}" stroke="#ddd"/>',
                f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{tenth / 10:g}</text>']
    ticks = [digit * 10.0 ** power for power in range(-3, 7) for digit in (1, 2, 5)]
    for tick in (tick for tick in ticks if low < tick < high):
        out += [f'<line x1="{x(tick):.1f}" y1="{TOP}" x2="{x(tick):.1f}" y2="{TOP + HEIGHT}" stroke="#eee"/>',
                f'<text x="{x(tick):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{tick:g}</text>']
    return out + [draw_mark(x(value), y(recall))
                  for draw_mark, value, recall in zip(marks, values, recalls)]


def main():
    with open(sys.argv[1], newline="") as file:
        sys.stdout.write(draw("Searches on codes", list(csv.DictReader(file))))


if __name__ == "__main__":
    main()
