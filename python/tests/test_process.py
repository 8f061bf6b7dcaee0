"""Threads, signals and forks."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import DIM, random_rows

import vecodec


def progress_during(work):
    """How often another thread runs while `work` does."""
    count, done = 0, threading.Event()

    def spin():
        nonlocal count
        while not done.is_set():
            count += 1
            time.sleep(0.001)

    thread = threading.Thread(target=spin)
    thread.start()
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    done.set()
    thread.join()
    return count, seconds


def test_other_threads_run_during_verbs(codec, index):
    rows = np.resize(random_rows(1000), (40_000, DIM))
    for work in [
        lambda: vecodec.fit(rows, bytes=16, regions=1),
        lambda: codec.encode(rows),
        lambda: index.search(rows[:3000]),
    ]:
        count, seconds = progress_during(work)
        # Without release, the thread would run once or twice.
        assert count > 3 + seconds * 20, (count, seconds)


def test_threads_share_objects(codec, codes, index):
    q, errors = random_rows(8), []
    expected, decoded = index.search(q)[1], codec.decode(codes[:100])

    def work(seed):
        try:
            for _ in range(20):
                assert np.array_equal(index.search(q)[1][:, 0], expected[:, 0])
                assert np.array_equal(codec.decode(codes[:100]), decoded)
                codec.encode(random_rows(50, seed=seed))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not errors


SCRIPT = """
import numpy as np, vecodec, sys, time
rows = np.random.default_rng(0).standard_normal((100_000, 256)).astype(np.float32)
if sys.argv[1] == "fit":
    work = lambda: vecodec.fit(rows, bytes=64, regions=32, states=1024)
else:
    codec = vecodec.Codec(vecodec.fit(rows[:4000], bytes=64, regions=1, states=1024), "cpu")
    work = lambda: [codec.encode(rows) for _ in range(100)]
print("begins", flush=True)
try:
    work()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT of another process")
@pytest.mark.parametrize("verb", ["fit", "encode"])
def test_an_interrupt_ends_it_within_a_second(verb):
    child = subprocess.Popen([sys.executable, "-c", SCRIPT, verb], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "begins\n"
    time.sleep(1.0)
    child.send_signal(signal.SIGINT)
    start = time.perf_counter()
    assert child.stdout.readline() == "interrupted\n"
    seconds = time.perf_counter() - start
    assert child.wait(timeout=30) == 0
    # A second, and what a busy machine adds.
    assert seconds < 2.5


FORK = """
import os, sys, numpy as np, vecodec
rows = np.random.default_rng(0).standard_normal((500, 16)).astype(np.float32)
if sys.argv[1] == "used":
    vecodec.fit(rows, latent=4)
child = os.fork()
if child == 0:
    try:
        vecodec.Codec(vecodec.fit(rows, latent=4), "cpu").encode(rows)
        print("works", flush=True)
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("before, answer", [("unused", "works"), ("used", "spawn")])
def test_forks_work_or_say_what_to_do(before, answer):
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, before], capture_output=True, text=True, timeout=60
    )
    assert answer in run.stdout, run


def test_importing_takes_a_moment():
    script = (
        "import numpy, time; start = time.perf_counter(); import vecodec; print(time.perf_counter() - start)"
    )
    times = [
        float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout)
        for _ in range(5)
    ]
    assert min(times) < 0.1, times
