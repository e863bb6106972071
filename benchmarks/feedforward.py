"""The feed-forward language model by the length of its context, and recurrent cells, all trained alike.

    python benchmarks/feedforward.py TEXT [--contexts 2 4 8 16 32] [--cells lstm] [--seeds 1 2 3] [-- OPTION...]

Options after -- go to ``charlm train``: with --epochs every network trains for the same number of epochs, with
--minutes for the same time. A row has the network, its number of parameters, the held-out losses in nats per token of
all seeds, and their median.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from report import table_head, table_row
from workloads import charlm_command


def trained(text, seed, options) -> tuple[str, int, float]:
    """Train once. Returns (description of the network, number of parameters, held-out loss)."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "m.npz"
        command = charlm_command("train", text, "-o", model, "--seed", seed, "--quiet", *options)
        subprocess.run(command, check=True)
        info = subprocess.run(charlm_command("info", model), capture_output=True, text=True, check=True).stdout
        header = subprocess.run(charlm_command("info", model, "--json"), capture_output=True, check=True).stdout
    network = next(line.removeprefix("network").strip() for line in info.splitlines() if line.startswith("network"))
    words, _, parameters = network.removesuffix(" parameters").rpartition(": ")
    return words, int(parameters.replace(",", "")), json.loads(header)["training"]["valid_loss"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("text")
    parser.add_argument("--contexts", type=int, nargs="*", default=[2, 4, 8, 16, 32], metavar="N")
    parser.add_argument("--cells", nargs="*", default=["lstm"], metavar="CELL")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N")
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:cut])
    networks = [["--cell", "feedforward", "--context", n] for n in options.contexts]
    networks += [["--cell", cell] for cell in options.cells]
    print(table_head(("network", "parameters", "held-out losses", "median")))
    for network in networks:
        found = [trained(options.text, seed, [*network, *given[cut + 1 :]]) for seed in options.seeds]
        losses = [loss for *_, loss in found]
        words, parameters, _ = found[0]
        each = ", ".join(f"{loss:.4f}" for loss in losses)
        print(table_row((words, f"{parameters:,}", each, f"{statistics.median(losses):.4f}")), flush=True)


if __name__ == "__main__":
    main()
