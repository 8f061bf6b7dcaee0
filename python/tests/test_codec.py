"""Fits, codecs and codes."""

import copy
import gc
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import DIM, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st

import vecodec

ROOT = Path(__file__).parents[2]


def test_a_model_says_what_it_is(model, x):
    assert (model.dim, model.bytes_per_row, model.coding, model.regions) == (DIM, 16, "trellis", 2)
    assert model.compression_ratio == 4 * DIM / 16
    assert model.fit_report.rows == len(x)
    assert model.fit_report.stages and len(model.fingerprint) == 32
    assert "dim=48" in repr(model) and model.fingerprint in repr(model)


def test_fits_of_one_seed_are_equal(model, x):
    again = vecodec.fit(x, bytes=16, regions=2, states=16, seed=1)
    assert again == model and hash(again) == hash(model)
    assert vecodec.fit(x, bytes=15, regions=1, states=16) != model


def test_rows_come_back(codec, codes, x):
    assert len(codes) == len(x) and codes.bytes_per_row == 16 and codes.nbytes == 16 * len(x)
    y = codec.decode(codes)
    assert y.dtype == np.float32 and y.shape == x.shape and y.flags.writeable
    measured = codec.evaluate(x)
    error = float(((x - y) ** 2).sum() / (x**2).sum())
    assert measured.relative_mse == pytest.approx(error, rel=1e-5)
    assert 0 < error < 0.1 and measured.rows == len(x) and measured.bytes_per_row == 16


def test_other_types_of_results(codec, codes):
    y = codec.decode(codes)
    half = codec.decode(codes, dtype=np.float16)
    assert half.dtype == np.float16 and np.allclose(half, y, rtol=1e-3, atol=1e-3)
    for dtype in (np.float32, np.float16):
        out = np.empty(y.shape, dtype)
        assert codec.decode(codes, out=out) is out
        assert np.array_equal(out, codec.decode(codes, dtype=dtype))
    with pytest.raises(ValueError, match=r"out has shape \[3, 48\]: pass \[3000, 48\]"):
        codec.decode(codes, out=np.empty((3, DIM), np.float32))
    with pytest.raises(ValueError, match="C-contiguous"):
        codec.decode(codes, out=np.empty((DIM, len(codes)), np.float32).T)
    with pytest.raises(ValueError, match="out: .* not writeable"):
        locked = np.empty(y.shape, np.float32)
        locked.flags.writeable = False
        codec.decode(codes, out=locked)
    with pytest.raises(TypeError, match="dtype is float64"):
        codec.decode(codes, dtype="float64")
    with pytest.raises(TypeError, match="not both"):
        codec.decode(codes, dtype="float32", out=np.empty(y.shape, np.float32))


def test_blocks_change_nothing(codec, x):
    # More rows than a block has.
    rows = np.resize(x, (20_000, DIM))
    codes = codec.encode(rows)
    once = codec.encode(x)
    assert np.array_equal(codes.codes[: len(x)], once.codes)
    assert np.array_equal(codes.codes[len(x) : 2 * len(x)], once.codes)
    assert np.array_equal(codec.decode(codes)[-5:], codec.decode(codes[-5:]))
    rows = rows.copy()
    rows[15_000, 7] = np.nan
    with pytest.raises(ValueError, match="15000"):
        codec.encode(rows)


def test_rows_of_an_8_bit_model():
    x = random_rows(500)
    model = vecodec.fit(x, latent=16)
    codec = vecodec.Codec(model, "cpu")
    codes = codec.encode(x)
    assert model.coding == "8-bit" and codes.codes.shape == (500, 16) and len(codes.scales) == 500
    latents = codes.codes.view(np.int8) * codes.scales[:, None]
    assert np.linalg.norm(latents) == pytest.approx(np.linalg.norm(codec.decode(codes)), rel=0.05)


def test_codes_are_picked_as_arrays_are(codes):
    all_rows = codes.codes
    mask = np.arange(len(codes)) % 7 == 0
    for key in [slice(10, 20), slice(None, None, -3), [3, 1], [-1, 0], np.array([5, 5]), mask]:
        assert np.array_equal(codes[key].codes, all_rows[key]), key
    assert np.array_equal(codes[-2].codes[0], all_rows[-2]) and len(codes[0]) == 1
    for key in [len(codes), -len(codes) - 1, [0, len(codes)], mask[:-1], [[1]]]:
        with pytest.raises(IndexError):
            codes[key]
    with pytest.raises(TypeError):
        codes["a"]
    # Codes have at least one row.
    for key in [slice(4, 4), [], np.zeros(len(codes), bool)]:
        with pytest.raises(ValueError, match="empty"):
            codes[key]
    both = vecodec.concatenate([codes[:3], codes[7:9]])
    assert both == codes[[0, 1, 2, 7, 8]] and both != codes[:5]
    with pytest.raises(ValueError, match="no codes"):
        vecodec.concatenate([])
    with pytest.raises(TypeError, match="pass Codes"):
        vecodec.concatenate([1])


@settings(max_examples=25, deadline=None)
@given(st.integers(-60, 60), st.integers(-60, 60), st.integers(-9, 9).filter(bool))
def test_any_slice(codes, start, stop, step):
    some = codes[:50]
    expected = some.codes[start:stop:step]
    if len(expected):
        assert np.array_equal(some[start:stop:step].codes, expected)
    else:
        with pytest.raises(ValueError, match="empty"):
            some[start:stop:step]


def test_views_keep_their_owner_and_cannot_be_written(codec, x):
    codes = codec.encode(x[:100])
    view, scales, expected = codes.codes, codes.scales, codes.codes.copy()
    assert not view.flags.writeable and not view.flags.owndata
    del codes
    gc.collect()
    _ = [np.full(view.size, 7, np.uint8) for _ in range(50)]
    assert np.array_equal(view, expected) and scales.ndim == 1
    with pytest.raises(ValueError):
        view[0, 0] = 1


def test_files_and_pickles(model, codec, codes, tmp_path):
    model.save(tmp_path / "m.safetensors")
    codes.save(str(tmp_path / "c.safetensors"))
    loaded = vecodec.load_model(tmp_path / "m.safetensors")
    assert loaded == model and loaded.fit_report is None
    assert vecodec.load_codes(tmp_path / "c.safetensors") == codes
    assert pickle.loads(pickle.dumps(model)) == model
    assert pickle.loads(pickle.dumps(codes)) == codes
    other = pickle.loads(pickle.dumps(codec))
    assert other.model == model and other.engine == codec.engine
    for one in (model, codec, codes):
        assert copy.copy(one) is one and copy.deepcopy(one) is one
    with pytest.raises(FileNotFoundError, match="missing"):
        vecodec.load_model(tmp_path / "missing.safetensors")
    (tmp_path / "bad").write_bytes(b"no model")
    with pytest.raises(OSError, match="bad"):
        vecodec.load_model(tmp_path / "bad")


def test_codes_of_another_model(codec, x):
    other = vecodec.Codec(vecodec.fit(x, bytes=8, regions=1, coding="scalar"), "cpu")
    codes = other.encode(x[:10])
    with pytest.raises(ValueError, match="model"):
        codec.decode(codes)
    moved = codec.reencode(other, codes)
    assert moved.fingerprint == codec.model.fingerprint and len(moved) == 10


def test_drift(codec, x):
    same = codec.check(random_rows(500, seed=3))
    assert same.rows == 500 and 0.5 < same.ratio < 2
    # Norms are in the codes, so that rows are too large only by their norm.
    other = codec.check(np.random.default_rng(0).standard_normal((500, DIM)).astype(np.float32))
    assert other.ratio > 3


def test_engines(model):
    assert vecodec.Codec(model, engine="cpu").engine.startswith("cpu: ")
    assert vecodec.Codec(model).engine.split(":")[0] in ("cpu", "gpu")
    assert isinstance(vecodec.list_gpus(), list)
    with pytest.raises(ValueError, match='engine is "tpu"'):
        vecodec.Codec(model, engine="tpu")
    with pytest.raises(ValueError, match="no GPU adapter has the number or name"):
        vecodec.Codec(model, engine="gpu:no such card")


def test_one_call(x):
    codec, codes = vecodec.quantize_embeddings(x, bytes=12, engine="cpu", regions=1, coding="scalar")
    assert codes.bytes_per_row == 12 and codec.decode(codes).shape == x.shape


def test_weights_from_elsewhere(x):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0].astype(np.float32)
    mean = x.mean(0)
    model = vecodec.from_weights(basis.T, basis, encoder_bias=-mean @ basis, decoder_bias=mean)
    codec = vecodec.Codec(model, "cpu")
    assert codec.evaluate(x).relative_mse < 1e-3
    with pytest.raises(ValueError, match=r"decoder has shape \[10, 48\]"):
        vecodec.from_weights(basis, basis[:10])
    with pytest.raises(ValueError, match='activation is "tanh"'):
        vecodec.from_weights(basis.T, basis, activation="tanh")


def test_wrong_arguments_of_a_fit(x):
    for arguments, error, message in [
        ({}, TypeError, "pass bytes"),
        ({"bytes": 8, "latent": 8}, TypeError, "not both"),
        ({"bytes": 8, "coding": "huffman"}, ValueError, 'coding is "huffman"'),
        ({"bytes": 8, "coding": "scalar", "states": 8}, TypeError, "states has no use"),
        ({"bytes": 8, "states": 7}, ValueError, "7"),
        ({"bytes": 8, "regions": "many"}, ValueError, "regions is 'many'"),
        ({"bytes": 8, "regions": 0}, ValueError, "0"),
        ({"bytes": 8, "objective": "fame"}, ValueError, 'objective is "fame"'),
        ({"bytes": 8, "row_norm": "no"}, ValueError, 'row_norm is "no"'),
        ({"bytes": 8, "queries": x[:, :7]}, ValueError, "queries has shape"),
        ({"bytes": 8, "sample": 10}, TypeError, "sample is for files"),
        ({"bytes": 0}, ValueError, "0"),
    ]:
        with pytest.raises(error, match=message):
            vecodec.fit(x, **arguments)


def test_what_a_fit_notices_is_a_warning():
    with pytest.warns(UserWarning, match="rows"):
        vecodec.fit(random_rows(60), latent=16)


def test_progress(x, capsys):
    seen = []
    vecodec.fit(x, bytes=8, regions=1, progress=lambda *stage: seen.append(stage))
    assert seen and all(isinstance(name, str) and seconds >= 0 for name, _, seconds in seen)
    vecodec.fit(x, bytes=8, regions=1, progress=True)
    assert capsys.readouterr().err

    def fails(*_):
        raise KeyError("from the caller")

    with pytest.raises(KeyError, match="from the caller"):
        vecodec.fit(x, bytes=8, regions=1, progress=fails)


def test_a_fit_of_a_file(x, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, x)
    model = vecodec.fit(path, bytes=8, regions=1, sample=1000)
    assert model.fit_report.rows_used <= 1000
    with pytest.raises(FileNotFoundError):
        vecodec.fit(tmp_path / "none.npy", bytes=8)


def test_no_memory_is_lost(codec, x):
    resource = pytest.importorskip("resource")
    rows = x[:50]

    def calls(count):
        for _ in range(count):
            codes = codec.encode(rows)
            codec.decode(codes)
            _ = codes.codes, codes[3:5], repr(codes)

    calls(1000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    calls(10_000)
    # Each call would have lost at least the 10 KB of its rows.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_the_example_of_an_own_model_is_in_the_readme_and_runs(capsys):
    example = (ROOT / "python/examples/own_model.py").read_text()
    code = example.split('"""\n\n', 1)[1]
    assert f"```python\n{code}```" in (ROOT / "python/README.md").read_text()
    pytest.importorskip("torch", reason="PyTorch is not installed")
    run = {}
    exec(compile(example, "own_model.py", "exec"), run)
    assert "relative_mse" in capsys.readouterr().out
    assert run["codec"].evaluate(run["x"]).relative_mse < 0.05
    assert run["codes"].bytes_per_row == 16 + 4


def test_ids_are_kept_in_files(codes, tmp_path):
    path, ids = tmp_path / "codes.safetensors", np.arange(len(codes)) * 7 + 3
    codes.save(path, ids=ids)
    found, found_ids = vecodec.load_codes_with_ids(path)
    assert found == codes and found_ids.dtype == np.uint64
    np.testing.assert_array_equal(found_ids, ids)
    assert vecodec.load_codes(path) == codes
    before = path.read_bytes()
    with pytest.raises(ValueError, match="there are 2 ids, and 3000 are needed"):
        codes.save(path, ids=[1, 2])
    with pytest.raises(TypeError, match="pass integers"):
        codes.save(path, ids=np.ones(len(codes)))
    assert path.read_bytes() == before
    codes.save(path)
    assert vecodec.load_codes_with_ids(path) == (codes, None)


def test_notebooks_show_what_sizes_lose(codec, x, monkeypatch):
    html = codec.evaluate(x)._repr_html_()
    assert "<td>3,000</td>" in html and "dB" in html
    curve = vecodec.rate_distortion(x, bytes=[8, 16], regions=1, states=16, engine="cpu")
    assert [e.bytes_per_row for e in curve.evaluations] == [8, 16]
    assert [e.rows for e in curve.evaluations] == [300, 300]
    assert curve.evaluations[0].relative_mse > curve.evaluations[1].relative_mse
    again = vecodec.rate_distortion(x, bytes=[8], regions=1, states=16, engine="cpu")
    assert again.evaluations[0].relative_mse == curve.evaluations[0].relative_mse
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    html = curve._repr_html_()
    assert html.count("<tr>") == 3 and "<svg" not in html
    with pytest.raises(ValueError, match="x has 9 rows"):
        vecodec.rate_distortion(x[:9])


def test_notebooks_draw_the_curve(x):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    curve = vecodec.rate_distortion(x[:500], bytes=[8, 12], test=x[500:600], regions=1, states=4)
    html = curve._repr_html_()
    assert html.startswith("<table>") and html.rstrip().endswith("</svg>")
    assert curve.plot().get_xlabel() == "bytes per row"
