"""The same bytes for any number of threads and lanes, for each cell at each level; in bf16 for any number of threads
(only on processors with bfloat16 instructions)."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from charlm.network.cells import CELLS

from .runs import NO_CORE, some_text

LEVELS = ("char", "subword", "word", "token", "byte")


def of_threads_and_lanes(
    folder: Path, cells=tuple(CELLS), levels=LEVELS, threads=(1, 2), lanes=("4", "8", "16")
) -> Iterator[str]:
    """Train each cell at each level with each number of threads and lanes. One outcome per cell, level and number of
    lanes, and one per cell with local updates, with shards and in bf16."""
    (folder / "text.txt").write_text(some_text(200), encoding="utf-8")
    order = json.dumps({"folder": str(folder), "cells": cells, "levels": levels, "threads": threads})
    found = {}
    for number in lanes:
        process = subprocess.run(
            [sys.executable, "-m", "torture.bits", order],
            env=os.environ | NO_CORE | {"CHARLM_LANES": number},
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        found[number] = json.loads(process.stdout)
    for cell in cells:
        for level in levels:
            for number in lanes:
                digests = found[number][f"{cell} {level}"]
                same = set(digests) == {found[lanes[0]][f"{cell} {level}"][0]}
                yield "" if same else f"{cell}, {level}, {number} lanes: other bytes"
        for number in lanes if f"{cell} char from" in found[lanes[0]] else ():
            same = set(found[number][f"{cell} char from"]) == {found[lanes[0]][f"{cell} char from"][0]}
            yield "" if same else f"{cell}, going on with a model, {number} lanes: other bytes"
        for kind in ("local", "shards", "vectors")[: 2 if cell == "feedforward" else 3]:
            same = len({digest for number in lanes for digest in found[number][f"{cell} {kind}"]}) == 1
            yield "" if same else f"{cell} {kind}: other bytes"
        for digests in (found[number][f"{cell} bf16"] for number in lanes if f"{cell} bf16" in found[number]):
            yield "" if len(set(digests)) == 1 else f"{cell} in bf16: other bytes"


def _digests(folder, cells, levels, threads):
    """SHA-256 of the models for each number of threads, by cell and level, and by cell in bf16."""
    import charlm
    from charlm.kernels.compiling import HAS_BFLOAT16

    from .runs import digest, some_vectors

    path, found = Path(folder) / "m.npz", {}
    options = {"hidden": 37, "layers": 2, "batch": 7, "steps": 9, "epochs": 1, "dropout": 0.1, "lines": False}
    kinds = {f"{cell} {level}": {"cell": cell, "level": level} for cell in cells for level in levels}
    kinds |= {f"{cell} shards": {"cell": cell, "shards": 4} for cell in cells}
    kinds |= {f"{cell} local": {"cell": cell, "shards": 2, "local_updates": 3} for cell in cells}
    table = Path(folder) / "vectors.txt"
    table.write_text(some_vectors(), encoding="utf-8")
    vectors = {"paths": table, "input": "vectors", "task": "classify", "bidirectional": True}
    kinds |= {f"{cell} vectors": {"cell": cell, "shards": 2} | vectors for cell in cells if cell != "feedforward"}
    if HAS_BFLOAT16:
        kinds |= {f"{cell} bf16": {"cell": cell, "precision": "bf16"} for cell in cells}
    for name, kind in kinds.items():
        found[name] = []
        for number in threads:
            charlm.train(**{"paths": Path(folder) / "text.txt", "threads": number} | options | kind).save(path)
            found[name].append(digest(path))
        if kind.get("level") == "char":  # and one that goes on with the last model
            more, found[f"{name} from"] = {"base": charlm.load(path), "freeze": 1, "epochs": 1}, []
            for number in threads:
                charlm.train(text="A text with other symbols: abba, cab!\n" * 90, threads=number, **more).save(path)
                found[f"{name} from"].append(digest(path))
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_digests(**json.loads(sys.argv[1]))))
