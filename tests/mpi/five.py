"""Train five kinds of models, each with --shards 8: a program for several ranks. Its arguments: the folder of the
texts, and a name for the models' files."""

import sys
from pathlib import Path

import charlm

SMALL = {"hidden": 10, "layers": 1, "batch": 16, "steps": 16, "epochs": 2, "shards": 8, "threads": 1}
KINDS = {
    "characters": ("stream.txt", {}),
    "lines": ("lines.txt", {"lines": True, "dropout": 0.3, "cell": "gru"}),
    "words": ("stream.txt", {"level": "word", "tied": True}),
    "classify": ("classify.txt", {"task": "classify"}),
    "translate": ("translate.txt", {"task": "translate"}),
}

if __name__ == "__main__":
    texts, name = sys.argv[1:]
    for kind, (text, options) in KINDS.items():
        charlm.train(Path(texts) / text, output=f"{kind}-{name}.npz", **SMALL | options)
