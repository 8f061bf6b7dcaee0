"""The codecs of this library, run by the program `vecodec`.

Bit codes of one region and of several regions (`--regions auto`). The objective `search` gets no
queries, so the training rows serve as queries, and no query that is measured has been fitted on.
"""

import json
import subprocess
import tempfile

import numpy as np

from coded import Codec, Coded


def codecs(bytes_, program, engine, states):
    """Returns the codecs of at most that many bytes per row."""
    trellis = ["--bytes", bytes_, "--states", states]
    arguments = {
        "8-bit": ["--latent", bytes_ - 4],
        "scalar, 1 region": ["--bytes", bytes_, "--coding", "scalar", "--regions", 1,
                             "--objective", "reconstruction"],
        "trellis, 1 region": [*trellis, "--regions", 1, "--objective", "reconstruction"],
        "trellis, regions": [*trellis, "--objective", "reconstruction"],
        "trellis, regions, search": [*trellis, "--objective", "search"],
    }
    return [Codec(f"vecodec {name}", f"vecodec {name}",
                  lambda data, words=words: code(data, words, program, engine))
            for name, words in arguments.items()]


def run(*words):
    """Runs a command that must succeed, and returns what it prints."""
    command = [str(word) for word in words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def code(data, arguments, program, engine):
    with tempfile.TemporaryDirectory() as folder:
        model, codes, rows = (f"{folder}/{name}" for name in ["model", "codes", "rows.npy"])
        run(program, "fit", data.train_file, *arguments, "-o", model, "--engine", engine)
        run(program, "encode", data.test_file, "--model", model, "-o", codes, "--engine", engine)
        run(program, "decode", codes, "--model", model, "-o", rows, "--engine", engine)
        about = json.loads(run(program, "inspect", model, "--json"))
        return Coded(np.load(rows), about["bytes_per_row"])
