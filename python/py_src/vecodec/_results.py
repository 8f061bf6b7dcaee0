"""What verbs report."""

from dataclasses import dataclass


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
