"""Shows the stages of a fit."""

import sys
from contextlib import contextmanager


@contextmanager
def reporter(progress):
    """Gives what to call after a stage: the caller's function, one that shows a bar of tqdm or lines, or None."""
    if progress is None or progress is False:
        yield None
    elif callable(progress):
        yield progress
    else:
        try:
            from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]
        except ImportError:
            yield lambda name, error, seconds: print(
                f"{name}: relative squared error {error:.4g}, {seconds:.1f} s", file=sys.stderr
            )
            return
        with tqdm(desc="fitting", unit="stage") as bar:

            def report(name, error, seconds):
                bar.set_postfix_str(f"{name}, relative squared error {error:.4g}")
                bar.update()

            yield report
