"""All benchmarks, one after the other: tables on stdout, every figure in one JSON, the growth as a picture.

python benchmarks [PART …] [--quick] [--rounds N] [--json FILE] [--picture FILE]
"""

import importlib
import sys

from report import NoSuchRow, carry_out, machine, parser_for, summary, write_json
from turns import Failed

PARTS = "training", "sampling", "novelty", "scoring", "start", "memory", "growth"


def main():
    modules = {part: importlib.import_module(part) for part in PARTS}
    parser = parser_for(__doc__.splitlines()[0])
    parser.prog = "benchmarks"
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all, if none is named")
    for module in modules.values():
        module.add_options(parser)
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; choose from {', '.join(PARTS)}")
    results = {"machine": machine(), "quick": options.quick}
    print(", ".join(f"{name} {value}" for name, value in results["machine"].items()))
    failures = []
    for part in options.parts or PARTS:
        try:
            carry_out(modules[part], options, results.setdefault(part, []))
        except NoSuchRow:
            continue
        except Failed as error:  # the others are still worth having
            failures.append(f"{part}: {error}")
            print(f"\n{part}: {error}", file=sys.stderr, flush=True)
        if options.json:
            write_json(options.json, results)
    if not failures and not any(results[part] for part in options.parts or PARTS):
        failures.append(f"no row of any table holds {options.only!r}")
        print(failures[0], file=sys.stderr)
    else:
        print(f"\n## Asked\n\n{summary(results)}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
