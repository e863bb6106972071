"""Try each promise with the full counts, or a share of them, and print what was tried, survived and lost."""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from .tries import attempt, tries

SHOWN = 20  # of what was lost, lines for each try


def main():
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the full counts (default: 1)")
    parser.add_argument("--only", default="", metavar="WORDS", help="tries whose names hold this")
    parser.add_argument("--jobs", type=int, default=2, help="tries side by side (default: 2)")
    options = parser.parse_args()
    names = [name for name in tries(options.share) if options.only in name]
    print(f"{'':38} {'tried':>9} {'survived':>9} {'lost':>6} {'seconds':>8}")
    any_lost = False
    with ProcessPoolExecutor(options.jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        waiting = {pool.submit(attempt, name, options.share): name for name in names}
        for done in as_completed(waiting):
            tried, lost, seconds = done.result()
            number = len([outcome for outcome in lost if not outcome.startswith("(the files")])
            print(f"{waiting[done]:38} {tried:9,} {tried - number:9,} {number:6,} {seconds:8.0f}", flush=True)
            for outcome in [*lost[:SHOWN], *lost[SHOWN:][-1:]]:
                print(f"    {' '.join(outcome.split())[:300]}", flush=True)
            any_lost |= bool(lost)
    sys.exit(any_lost)


if __name__ == "__main__":
    main()
