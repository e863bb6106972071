"""Run the trials with the full counts or a fraction of them; print how many attempts passed and what went wrong."""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from .trials import run_trial, trials

SHOWN = 20  # lines of failures per trial


def main():
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    parser.add_argument("--fraction", type=float, default=1.0, help="fraction of the full counts (default: 1)")
    parser.add_argument("--only", default="", metavar="WORDS", help="only the trials whose names contain these words")
    parser.add_argument("--jobs", type=int, default=2, help="trials that run in parallel (default: 2)")
    options = parser.parse_args()
    names = [name for name in trials(options.fraction) if options.only in name]
    print(f"{'':38} {'tried':>9} {'passed':>9} {'failed':>6} {'seconds':>8}")
    any_failure = False
    with ProcessPoolExecutor(options.jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        waiting = {pool.submit(run_trial, name, options.fraction): name for name in names}
        for done in as_completed(waiting):
            tried, failures, seconds = done.result()
            number = len([outcome for outcome in failures if not outcome.startswith("(the files")])
            print(f"{waiting[done]:38} {tried:9,} {tried - number:9,} {number:6,} {seconds:8.0f}", flush=True)
            for outcome in [*failures[:SHOWN], *failures[SHOWN:][-1:]]:
                print(f"    {' '.join(outcome.split())[:300]}", flush=True)
            any_failure |= bool(failures)
    sys.exit(any_failure)


if __name__ == "__main__":
    main()
