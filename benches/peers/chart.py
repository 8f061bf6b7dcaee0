"""Draws the quality of codecs over bytes per row: an SVG of two panels, without any package."""

import math

ERROR, RECALL = "relative_mse", "recall@10_scaled"
PEERS = ["#d1495b", "#8d6a9f", "#c98a1b", "#777", "#a0522d", "#e377c2", "#5b8c5a", "#17becf"]
OURS = ["#9ecae1", "#2a9d9d", "#1b6ca8", "#2e933c", "#0b3d0b"]
BOUND = "bound (Gaussian)"
WIDTH, HEIGHT, TOP, LEFTS = 400, 400, 60, (55, 515)


def draw(title, lines):
    """Draws lines of the table: dictionaries with the fields of the csv file.

    Each family has one point per budget in each panel, that of the best variant.
    """
    colours = colours_of(line["family"] for line in lines) | {BOUND: "#000"}
    budgets = sorted({line["budget"] for line in lines})
    out = head(title, 260)
    out += panel(LEFTS[0], "Relative MSE", best(lines, ERROR, min), colours, budgets, log_axis)
    out += panel(LEFTS[1], "recall@10, rows scaled to their norms", best(lines, RECALL, max),
                 colours, budgets, linear_axis)
    for at, (family, colour) in enumerate(colours.items()):
        x, y = LEFTS[1] + WIDTH + 15, TOP + 10 + 20 * at
        out += [f'<line x1="{x}" y1="{y}" x2="{x + 25}" y2="{y}" {stroke(family, colour)}/>',
                f'<text x="{x + 31}" y="{y + 4}">{family}</text>']
    return "\n".join(out + ["</svg>"]) + "\n"


def is_ours(name):
    return name.startswith("vecodec")


def colours_of(names):
    """Returns the colour of each name, from one palette for this library and one for peers."""
    colours = {}
    for name in dict.fromkeys(names):
        taken = sum(is_ours(other) == is_ours(name) for other in colours)
        palette = OURS if is_ours(name) else PEERS
        colours[name] = palette[taken % len(palette)]
    return colours


def head(title, legend_width):
    """Returns how an SVG of two panels and a legend begins."""
    return [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFTS[1] + WIDTH + legend_width}" '
            f'height="{TOP + HEIGHT + 50}" font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="{LEFTS[0]}" y="22" font-size="15">{title}</text>']


def best(lines, field, choose):
    """Returns the points (bytes, value) of each family, the best variant of each budget."""
    series = {}
    for line in lines:
        if line[field] != "":
            budgets = series.setdefault(line["family"], {})
            budgets.setdefault(line["budget"], []).append(
                (float(line[field]), float(line["bytes_per_row"])))
    return {family: [choose(points)[::-1] for _, points in sorted(budgets.items())]
            for family, budgets in series.items()}


def log_axis(values):
    """Returns the position (0 to 1, upwards) of a value, and the ticks."""
    low, high = min(values) / 1.15, min(1, max(values)) * 1.15
    ticks = [digit * 10.0 ** power for power in range(-6, 1) for digit in (1, 2, 5)]
    return (lambda value: math.log(value / low) / math.log(high / low),
            [tick for tick in ticks if low < tick < high])


def linear_axis(values):
    low, high = math.floor(min(values) * 10) / 10, 1.0
    return (lambda value: (value - low) / (high - low),
            [tick / 10 for tick in range(round(low * 10), 11)])


def panel(left, title, series, colours, budgets, axis):
    place, ticks = axis([value for points in series.values() for _, value in points])
    low, high = min(budgets) / 1.12, max(budgets) * 1.04

    def at(point):
        x = left + WIDTH * math.log(point[0] / low) / math.log(high / low)
        return f"{x:.1f},{TOP + HEIGHT * (1 - place(point[1])):.1f}"

    out = [f'<text x="{left}" y="{TOP - 12}">{title}</text>']
    for tick in ticks:
        y = TOP + HEIGHT * (1 - place(tick))
        out += [f'<line x1="{left}" y1="{y:.1f}" x2="{left + WIDTH}" y2="{y:.1f}" stroke="#ddd"/>',
                f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>']
    for budget in budgets:
        x = at((budget, 1)).split(",")[0]
        out.append(f'<text x="{x}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{budget}</text>')
    out.append(f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 38}" text-anchor="middle">'
               "bytes per row</text>")
    for family, points in series.items():
        style = stroke(family, colours[family])
        out.append(f'<polyline points="{" ".join(map(at, points))}" fill="none" {style}/>')
        for point in points:
            x, y = at(point).split(",")
            out.append(f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colours[family]}"/>')
    return out


def stroke(family, colour):
    """Draws this library's lines thick, those of peers dashed, and the bound dotted."""
    kind = 'stroke-width="2.5"' if is_ours(family) else (
        'stroke-width="1.5" stroke-dasharray="2 3"' if family == BOUND
        else 'stroke-width="1.5" stroke-dasharray="6 3"')
    return f'stroke="{colour}" {kind}'
