"""Searches."""

import numpy as np
import pytest
from conftest import DIM, random_rows

import vecodec


def cosines(codec, codes, q):
    rows = codec.decode(codes).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return (q / np.linalg.norm(q, axis=1, keepdims=True)) @ rows.T


def test_hits_are_the_best_rows(index, codec, codes):
    q = random_rows(20, seed=5)
    scores, ids = index.search(q, k=10)
    assert scores.dtype == np.float32 and ids.dtype == np.int64 and ids.shape == scores.shape == (20, 10)
    exact = vecodec.Index(codec, codes, metric="inner_product").search(q, k=5)
    products = q.astype(np.float64) @ codec.decode(codes).T.astype(np.float64)
    assert np.allclose(exact[0], -np.sort(-products, axis=1)[:, :5], rtol=1e-4)
    assert (np.diff(scores, axis=1) <= 0).all() and np.abs(scores).max() <= 1.01
    squares = ((q[:, None, :].astype(np.float64) - codec.decode(codes)[None]) ** 2).sum(2)
    distances, _ = vecodec.Index(codec, codes, metric="l2").search(q, k=5)
    assert np.allclose(distances, np.sort(squares, axis=1)[:, :5], rtol=1e-3, atol=1e-3)


def test_many_queries_are_those_one_by_one(index):
    q = random_rows(2100, seed=6)
    scores, ids = index.search(q, k=3)
    for number in (0, 1023, 1024, 2099):
        one = index.search(q[number : number + 1], k=3)
        assert np.array_equal(one[1][0], ids[number]) and np.allclose(one[0][0], scores[number])


def test_ids_removal_and_rows(codec, codes):
    index = vecodec.Index(codec, metric="cosine")
    assert len(index) == index.ntotal == 0
    ids = np.arange(100) * 10
    index.add(codes[:100], ids=ids)
    q = codec.decode(codes[:3])
    assert index.search(q, k=1)[1][:, 0].tolist() == [0, 10, 20]
    index.remove([10])
    assert len(index) == 99 and index.row_count == 100
    assert 10 not in index.search(q, k=99)[1]
    index.compact()
    assert index.row_count == 99
    assert np.allclose(index.decode([0, 990]), codec.decode(codes[[0, 99]]), atol=1e-5)
    with pytest.raises(ValueError, match="10"):
        index.remove([10])
    with pytest.raises(ValueError, match="20"):
        index.add(codes[:1], ids=[20])
    with pytest.raises(ValueError, match=r"ids\[1\] is -4"):
        index.add(codes[:2], ids=[1, -4])
    with pytest.raises(ValueError, match=r"ids\[0\] is 9223372036854775808"):
        index.add(codes[:1], ids=np.array([2**63], np.uint64))
    with pytest.raises(TypeError, match="pass integers"):
        index.remove([0.5])
    assert len(index) == 99


def test_filters_and_candidates(index, codec, codes):
    q = random_rows(4, seed=7)
    mask = np.zeros(index.row_count, bool)
    mask[100:140] = True
    _, by_mask = index.search(q, k=5, filter=mask)
    _, by_ids = index.search(q, k=5, filter=np.arange(100, 140))
    assert np.array_equal(by_mask, by_ids) and ((by_mask >= 100) & (by_mask < 140)).all()
    scores, few = index.search(q, k=5, filter=[7, 8])
    assert set(few[0, :2]) == {7, 8} and (few[:, 2:] == -1).all() and np.isinf(scores[:, 2:]).all()
    _, among = index.search(q, k=2, among=[[1, 2, 3], np.array([9]), [], [4, 5]])
    assert set(among[0]) <= {1, 2, 3} and among[1].tolist() == [9, -1] and among[2].tolist() == [-1, -1]
    with pytest.raises(ValueError, match="filter has 3 values"):
        index.search(q, filter=[True, False, True])
    with pytest.raises(ValueError, match="among has 1 lists, and there are 4 queries"):
        index.search(q, among=[[1]])
    with pytest.raises(TypeError, match="among has no use"):
        index.search(q, among=[[1]] * 4, filter=mask)
    with pytest.raises(ValueError, match="99999"):
        index.search(q, among=[[99999]] * 4)


def test_an_approximate_search(index):
    q = random_rows(50, seed=8)
    found, exact = index.search(q, recall=0.9)[1], index.search(q)[1]
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact)]) > 0.7
    with pytest.raises(ValueError, match="1.5"):
        index.search(q, recall=1.5)


def test_files(index, codec, tmp_path):
    index.save(tmp_path / "index")
    opened = vecodec.Index.open(codec, tmp_path / "index")
    q = random_rows(3)
    assert np.array_equal(opened.search(q)[1], index.search(q)[1])
    assert (opened.metric, len(opened)) == (index.metric, len(index)) and opened.codec is codec
    assert "rows=3000" in repr(opened) and opened.nbytes > 0


def test_wrong_queries(index, codec, codes):
    for arguments, error, message in [
        ((np.zeros((2, 7), np.float32),), ValueError, r"q has shape \(2, 7\)"),
        ((np.zeros(DIM, np.float32),), ValueError, r"q\[None, :\]"),
        ((np.zeros((2, DIM)),), TypeError, "q has dtype float64"),
        ((np.full((2, DIM), np.nan, np.float32),), ValueError, "0"),
        ((np.zeros((1, DIM), np.float32), 0), ValueError, "k"),
        ((np.zeros((1, DIM), np.float32), -1), OverflowError, "negative"),
    ]:
        with pytest.raises(error, match=message):
            index.search(*arguments)
    assert index.search(random_rows(1), k=5000)[1].shape == (1, 3000)
    with pytest.raises(ValueError, match="hamming"):
        vecodec.Index(codec, codes, metric="hamming")
    with pytest.raises(TypeError, match="pass codes for the ids"):
        vecodec.Index(codec, ids=[1])
