"""What verbs report."""

from dataclasses import dataclass
from io import StringIO


@dataclass(frozen=True)
class Evaluation:
    """What encoding and decoding rows loses, and how fast it is."""

    rows: int
    bytes_per_row: int
    #: Mean squared error of a value.
    mse: float
    #: Squared error over the squared norms of the rows.
    relative_mse: float
    #: Mean cosine of a row with its decoded row.
    mean_cosine: float
    #: Signal-to-noise ratio in dB.
    snr_db: float
    max_error: float
    encode_rows_per_s: float
    decode_rows_per_s: float

    def _repr_html_(self):
        """A table, for notebooks."""
        cells = [
            ("rows", f"{self.rows:,}"),
            ("bytes per row", f"{self.bytes_per_row:,}"),
            ("relative squared error", f"{self.relative_mse:.4g}"),
            ("mean cosine", f"{self.mean_cosine:.4f}"),
            ("signal-to-noise ratio", f"{self.snr_db:.1f} dB"),
            ("largest error of a value", f"{self.max_error:.3g}"),
            ("encoded rows per second", f"{self.encode_rows_per_s:,.0f}"),
            ("decoded rows per second", f"{self.decode_rows_per_s:,.0f}"),
        ]
        lines = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in cells)
        return f"<table>{lines}</table>"


@dataclass(frozen=True)
class Curve:
    """What rows lose at several sizes: an evaluation of each."""

    evaluations: list[Evaluation]

    def plot(self, axes=None):
        """Draws the relative squared error by bytes per row with matplotlib, and returns the axes."""
        if axes is None:
            from matplotlib import pyplot  # type: ignore[import-not-found, unused-ignore]

            axes = pyplot.figure(figsize=(6, 3.5)).subplots()
        sizes = [evaluation.bytes_per_row for evaluation in self.evaluations]
        errors = [evaluation.relative_mse for evaluation in self.evaluations]
        axes.semilogy(sizes, errors, marker="o", label="vecodec")
        axes.set_xlabel("bytes per row")
        axes.set_ylabel("relative squared error")
        return axes

    def _repr_html_(self):
        """A table, and under it the curve if matplotlib is installed."""
        head = "<tr><th>bytes per row</th><th>relative squared error</th><th>mean cosine</th></tr>"
        lines = "".join(
            f"<tr><td>{e.bytes_per_row}</td><td>{e.relative_mse:.4g}</td><td>{e.mean_cosine:.4f}</td></tr>"
            for e in self.evaluations
        )
        return f"<table>{head}{lines}</table>{self._svg()}"

    def _svg(self):
        try:
            from matplotlib.figure import Figure  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            return ""
        figure, text = Figure(figsize=(6, 3.5)), StringIO()
        self.plot(figure.subplots())
        figure.savefig(text, format="svg", bbox_inches="tight")
        return text.getvalue()[text.getvalue().index("<svg") :]


@dataclass(frozen=True)
class Drift:
    """How rows compare with those that a model was fitted to."""

    rows: int
    relative_mse: float
    #: Of rows that the fit held out.
    fitted_relative_mse: float
    #: Rows with latents or a norm beyond those of the fit.
    clipped_rows: int
    first_clipped_row: int | None

    @property
    def ratio(self) -> float:
        """The error over that of the fit."""
        return self.relative_mse / self.fitted_relative_mse


@dataclass(frozen=True)
class FitReport:
    """How a fit went."""

    rows: int
    #: Rows that were fitted on: a random sample of many.
    rows_used: int
    #: Of each stage its name, its relative squared error and its seconds.
    stages: list[tuple[str, float, float]]
    warnings: list[str]
