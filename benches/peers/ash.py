"""ASH, asymmetric scalar hashing (arXiv 2606.07870), in NumPy.

A row is coded as the number of the nearest landmark, a scale, and a code of its residual:

    r = x - landmark;   z = W^T r;   codes = the signed half-integers with the direction closest to z
    x^ = landmark + scale W codes

1. The landmarks are 64 centroids of k-means. Their number takes one byte.
2. W = P R. P are the principal axes of the residuals, all scaled to length one. R is a rotation
   learned as by iterative quantisation: 25 rounds of coding z and of the rotation that brings z
   closest to the directions of the codes (orthogonal Procrustes), on 10,000 rows.
3. A code of b bits is one of +-0.5, +-1.5, ... of each latent. Of all roundings of t |z|, t > 0, the
   one with the greatest cosine is taken. The search is exact.
4. The scale takes two bytes (f16). It is the one of least squared error. The paper scales to the
   residual's norm instead and stores one more number for the score. Its decoded rows have more error.
"""

import numpy as np

from coded import Codec, Coded, principal_axes, random_rotation

LANDMARKS, ROUNDS, TRAINING_ROWS, SIDE_BYTES = 64, 25, 10_000, 3


def codecs(dim, bytes_):
    """Returns the codecs of at most that many bytes per row."""
    counts = {bits: (bytes_ - SIDE_BYTES) * 8 // bits for bits in [2, 3, 4]}
    return [Codec("ASH", f"ASH {bits} bits, {count} latents",
                  lambda data, bits=bits, count=count: code(data, bits, count))
            for bits, count in counts.items() if count <= dim]


def code(data, bits, count):
    landmarks, axes = learn(data.train, bits, count)
    near = nearest(data.test, landmarks)
    latents = (data.test - landmarks[near]) @ axes
    codes = directions(latents, bits)
    scales = (latents * codes).sum(axis=1) / (codes ** 2).sum(axis=1)
    scales = scales.astype(np.float16).astype(np.float32)
    rows = landmarks[near] + scales[:, None] * codes @ axes.T
    return Coded(rows, SIDE_BYTES + -(-count * bits // 8))


def learn(train, bits, count):
    """Returns the landmarks and W, [dim, count]."""
    landmarks = centroids(train, LANDMARKS)
    residuals = train - landmarks[nearest(train, landmarks)]
    residuals /= np.linalg.norm(residuals, axis=1, keepdims=True)
    axes = principal_axes(residuals)[1][:, :count]
    sample = np.random.default_rng(0).permutation(len(train))[:TRAINING_ROWS]
    latents = residuals[sample] @ axes
    rotation = random_rotation(count)
    for _ in range(ROUNDS):
        codes = directions(latents @ rotation, bits)
        codes /= np.linalg.norm(codes, axis=1, keepdims=True)
        left, _, right = np.linalg.svd(latents.T @ codes)
        rotation = left @ right
    return landmarks, axes @ rotation


def directions(latents, bits, chunk=1000):
    """Returns the codes of the greatest cosine with each row of latents.

    As t grows, t |z| passes 1, 2, ... in each latent, and the code grows by one at each. The
    cosine after each such step is a ratio of two running sums.
    """
    steps = np.arange(1, 2 ** (bits - 1), dtype=np.float32)
    codes = np.empty_like(latents)
    for start in range(0, len(latents), chunk):
        size = np.abs(latents[start:start + chunk])
        ease = (size[:, :, None] / steps).reshape(len(size), -1)  # 1 / t at each step
        order = np.argsort(-ease, axis=1)
        latent, step = np.divmod(order, len(steps))
        dot = size.sum(axis=1, keepdims=True) / 2 + np.cumsum(
            np.take_along_axis(size, latent, axis=1), axis=1)
        square = size.shape[1] / 4 + np.cumsum(2 * steps[step], axis=1)
        best = np.argmax(dot / np.sqrt(square), axis=1)[:, None]
        last = np.take_along_axis(ease, np.take_along_axis(order, best, axis=1), axis=1)
        taken = (ease >= last).reshape(*size.shape, len(steps))
        codes[start:start + chunk] = taken.sum(axis=2) + 0.5
    return np.where(latents < 0, -codes, codes)


def centroids(rows, count, rounds=20):
    """Returns the centroids of k-means."""
    found = rows[np.random.default_rng(0).permutation(len(rows))[:count]]
    for _ in range(rounds):
        near = nearest(rows, found)
        sums = np.zeros_like(found)
        np.add.at(sums, near, rows)
        members = np.bincount(near, minlength=count)[:, None]
        found = np.where(members > 0, sums / np.maximum(members, 1), found).astype(np.float32)
    return found


def nearest(rows, points):
    """Returns the number of the nearest point of each row."""
    return np.argmax(rows @ points.T - (points ** 2).sum(axis=1) / 2, axis=1)
