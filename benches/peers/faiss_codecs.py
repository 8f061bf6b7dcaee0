"""FAISS codecs that decode, each by its factory string.

Settings that differ from FAISS's defaults, all in favour of FAISS:

1. OPQ starts from principal axes, dealt out so that the variances of every subspace have about the
   same product (the parametric solution of Ge, He, Ke and Sun, "Optimized product quantization",
   2013), and is not trained further. FAISS starts from a random rotation. Its 50 rounds of training
   end with more error: 0.116 instead of 0.101 at 64 bytes (384 values). Ten rounds of training from
   the principal axes gain nothing.
2. PRQ gets such a rotation, too, which takes its error from 0.170 to 0.094 (64 bytes, 384 values).
   All values of a subspace train a codebook at once (`Train_default`), with ten rounds of k-means.
   That takes a fifth of the time for the same error. Rows are encoded with a beam of 16 instead of
   5, which takes the error to 0.090.
3. `np` leaves out the training of a polysemous order of the centroids. The order changes no error.

Inverted lists code the residuals. The number of the list is one of the bytes. A search visits all
lists. TurboQuant (arXiv 2504.19874) is the scalar quantiser `tqmse`: a random rotation, and the
best levels for a Gaussian. Here the rotation keeps the leading principal components only.
"""

import numpy as np

from coded import Codec, Coded, principal_axes

BEAM = 16
LISTS = 256


def codecs(dim, bytes_):
    """Returns the codecs of at most that many bytes per row."""
    found = []

    def add(family, factory, subspaces=None):
        found.append(Codec(family, f"FAISS {factory}",
                           lambda data: code(data, factory, subspaces)))

    def opq(subspaces):
        return f"OPQ{subspaces}_{dim // subspaces * subspaces}"

    add("FAISS OPQ,PQ", f"{opq(bytes_)},PQ{bytes_}np", bytes_)
    add("FAISS OPQ,IVF,PQ", f"{opq(bytes_ - 1)},IVF{LISTS},PQ{bytes_ - 1}np", bytes_ - 1)
    quarter, third = bytes_ // 4, (bytes_ - 1) // 3
    add("FAISS PRQ", f"{opq(quarter)},PRQ{quarter}x4x8", quarter)
    add("FAISS PRQ", f"{opq(third)},IVF{LISTS},PRQ{third}x3x8", third)
    for bits in [8, 4]:
        if bytes_ * 8 // bits <= dim:
            add("FAISS PCA,SQ", f"PCAR{bytes_ * 8 // bits},SQ{bits}")
    for bits in [1, 2, 3, 4]:
        width = bytes_ * 8 // bits
        if width <= dim:
            add("TurboQuant (FAISS)", f"PCAR{width},SQtqmse{bits}")
    return found


def code(data, factory, subspaces):
    import faiss

    index = faiss.index_factory(data.dim, factory)
    train(index, data, subspaces)
    for quantizer in residual_quantizers(index):
        quantizer.max_beam_size = BEAM
    return Coded(index.sa_decode(index.sa_encode(data.test)), index.sa_code_size())


def train(index, data, subspaces):
    import faiss

    if subspaces:
        rotation = faiss.downcast_VectorTransform(index.chain.at(0))
        matrix = balanced_axes(data.train, subspaces, rotation.d_out).T
        faiss.copy_array_to_vector(np.ascontiguousarray(matrix, np.float32).ravel(), rotation.A)
        rotation.is_trained = rotation.is_orthonormal = True
    for quantizer in residual_quantizers(index):
        quantizer.train_type = faiss.ResidualQuantizer.Train_default
        quantizer.cp.niter = 10
    index.train(data.train)


def residual_quantizers(index):
    """Returns the residual quantisers of PRQ, or none for other codecs."""
    import faiss

    quantizer = getattr(faiss.downcast_index(index.index), "prq", None)
    if quantizer is None:
        return []
    return [faiss.downcast_AdditiveQuantizer(quantizer.subquantizer(k))
            for k in range(quantizer.nsplits)]


def balanced_axes(rows, subspaces, width):
    """Returns `width` principal axes as columns, those of one subspace side by side.

    The axes are dealt out in the order of their variances. Each goes to the subspace that has room
    and the least product of variances so far. Variances are in units of a millionth of the largest.
    """
    variances, axes = principal_axes(rows - rows.mean(axis=0))
    logs = np.log(np.maximum(variances * (1e6 / variances[0]), 1))
    members, sums = [[] for _ in range(subspaces)], np.zeros(subspaces)
    for axis in range(width):
        least = np.argmin(sums)
        members[least].append(axis)
        sums[least] = np.inf if len(members[least]) == width // subspaces else (
            sums[least] + logs[axis])
    return axes[:, np.concatenate(members)]


def version():
    """Returns the version of FAISS and the instruction set that it runs on."""
    import faiss

    return (f"FAISS {faiss.__version__}, {faiss.get_compile_options().strip()}, "
            f"runs on {faiss.SIMDConfig.get_level_name()}")
