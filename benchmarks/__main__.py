"""Run all benchmarks: tables on stdout, all figures in one JSON file, the growth of time as a picture.

python benchmarks [PART …] [--quick] [--rounds N] [--json FILE] [--picture FILE]
"""

import importlib
import sys

from interleaved import Failed
from report import NoSuchRow, machine, parser_for, run_and_print, summary, write_json

PARTS = "training", "sampling", "novelty", "scoring", "start", "memory", "growth", "shards", "vocabulary", "cluster"


def main():
    modules = {part: importlib.import_module(part) for part in PARTS}
    parser = parser_for(__doc__.splitlines()[0])
    parser.prog = "benchmarks"
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    for module in modules.values():
        module.add_options(parser)
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]!r}; choose from {', '.join(PARTS)}")
    results = {"machine": machine(), "quick": options.quick}
    print(", ".join(f"{name} {value}" for name, value in results["machine"].items()))
    failures = []
    for part in options.parts or PARTS:
        try:
            run_and_print(modules[part], options, results.setdefault(part, []))
        except NoSuchRow:
            continue
        except Failed as error:  # the other benchmarks still run
            failures.append(f"{part}: {error}")
            print(f"\n{part}: {error}", file=sys.stderr, flush=True)
        if options.json:
            write_json(options.json, results)
    if not failures and not any(results[part] for part in options.parts or PARTS):
        failures.append(f"no row of any table contains {options.only!r}")
        print(failures[0], file=sys.stderr)
    else:
        print(f"\n## Targets\n\n{summary(results)}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
