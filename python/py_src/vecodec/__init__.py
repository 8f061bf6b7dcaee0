"""Compresses embedding vectors with a learned codec on any GPU or none, and searches them as codes.

    import vecodec

    model = vecodec.fit(x, bytes=64)
    codec = vecodec.Codec(model)
    codes = codec.encode(x)
    index = vecodec.Index(codec, codes)
    scores, ids = index.search(q, k=10)
"""

import warnings as _warnings
from importlib.metadata import version as _version

import numpy as _np

from . import _arrays, _progress, _vecodec
from ._results import Curve, Drift, Evaluation, FitReport
from ._vecodec import (
    Codec,
    Codes,
    Index,
    Model,
    concatenate,
    list_gpus,
    load_codes,
    load_codes_with_ids,
    load_model,
)

__version__ = _version("vecodec")
__all__ = [
    "Codec",
    "Codes",
    "Curve",
    "Drift",
    "Evaluation",
    "FitReport",
    "Index",
    "Model",
    "concatenate",
    "fit",
    "from_weights",
    "list_gpus",
    "load_codes",
    "load_codes_with_ids",
    "load_model",
    "quantize_embeddings",
    "rate_distortion",
]


def fit(
    x,
    *,
    bytes=None,
    latent=None,
    coding="trellis",
    states=None,
    regions="auto",
    objective="search",
    queries=None,
    row_norm="auto",
    seed=0,
    warm_start=None,
    sample=None,
    progress=None,
):
    """Fits a model to rows, or to a random sample of the rows of a file.

    x          rows [rows, dim] of float32 or float16, or the path of a file of them
    bytes      bytes of an encoded row, spent bit by bit; or
    latent     latents of a row, of 8 bits each
    coding     "trellis", or "scalar" for faster encoding
    states     states of the trellis, a power of two; 256 if nothing is said
    regions    regions with a centroid and a basis each: "auto", or 1 to 256
    objective  "search" for more neighbours found, "reconstruction" for the least squared error
    queries    queries [queries, dim] that searches will be like; the rows if nothing is said
    row_norm   "auto", or whether to "store" or "omit" the norm of each row
    seed       of the sample and of all that is drawn at random
    warm_start a model of the same size to start from
    sample     rows to read of a file
    progress   True for a bar of tqdm, or a function of a stage's name, error and seconds

    Ctrl-C ends a fit. What the fit notices about the rows is a warning.
    """
    wanted = {
        "bytes": bytes,
        "latent": latent,
        "coding": coding,
        "states": states,
        "regions": regions,
        "objective": objective,
        "row_norm": row_norm,
    }
    with _progress.reporter(progress) as report:
        model = _vecodec.fit(x, wanted, queries, seed, warm_start, sample, report)
    for warning in model.fit_report.warnings:
        _warnings.warn(warning, stacklevel=2)
    return model


def from_weights(
    encoder,
    decoder,
    *,
    encoder_bias=None,
    decoder_bias=None,
    activation="identity",
    normalized_latent=False,
):
    """An 8-bit model of weights that were trained elsewhere.

    encoder    weights [latent, dim], or a torch.nn.Linear, whose bias is taken, too
    decoder    weights [dim, latent], or a torch.nn.Linear
    activation "identity" or "relu", of the latent
    normalized_latent whether the latent is divided by its norm
    """
    encoder, encoder_bias = _layer(encoder, encoder_bias, "encoder")
    decoder, decoder_bias = _layer(decoder, decoder_bias, "decoder")
    return _vecodec.from_weights(
        encoder, decoder, encoder_bias, decoder_bias, activation, normalized_latent
    )


def _layer(weight, bias, name):
    if hasattr(weight, "weight"):
        weight, bias = weight.weight, weight.bias if bias is None else bias
    if bias is not None:
        if getattr(bias, "ndim", 1) != 1:
            raise ValueError(f"{name}_bias has shape {tuple(bias.shape)}: pass one dimension")
        bias = _arrays.float32_rows(bias[None, :] if hasattr(bias, "ndim") else [bias], f"{name}_bias")[0]
    return _arrays.float32_rows(weight, name), bias


def quantize_embeddings(x, bytes=64, *, engine="auto", **options):
    """Fits a model to rows and encodes them: returns the codec and the codes. `options` are those of `fit`."""
    codec = Codec(fit(x, bytes=bytes, **options), engine)
    return codec, codec.encode(x)


def rate_distortion(x, bytes=(32, 64, 128), *, test=None, engine="auto", seed=0, **options):
    """Fits a model of each size, and measures it on rows that were not fitted on.

    x          rows to fit on
    bytes      the sizes, in bytes per row
    test       rows to measure; a tenth of `x`, drawn at random, if nothing is said
    options    those of `fit`

    Returns a Curve, which a notebook shows as a table and a drawing.
    """
    x = _arrays.rows(x, "x")
    if test is None:
        held_out = len(x) // 10
        if held_out == 0:
            raise ValueError(f"x has {len(x)} rows, and a tenth of them are held out: pass more, or test=")
        order = _np.random.default_rng(seed).permutation(len(x))
        x, test = x[order[held_out:]], x[order[:held_out]]
    codecs = (Codec(fit(x, bytes=size, seed=seed, **options), engine) for size in bytes)
    return Curve([codec.evaluate(test) for codec in codecs])
