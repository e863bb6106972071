"""Shared by the tests of exports, which run charlm's models in other runtimes: small models of every kind, and the
programs that are no Python packages, where this machine has them.

`make test-export` runs this folder, in an environment that has PyTorch, onnxruntime and a driver for browsers. `make
test` does not collect it.
"""

import shutil
from pathlib import Path

import pytest

import charlm

FOLDER = Path(__file__).parent
TEXT = "".join(
    f"{name} {verb} the {thing}, {name} said: “it’s {number} of {number * 7 % 12}!”\n"
    for number in range(90)
    for name in ["Ada Bea Cleo Dörte".split()[number % 4]]
    for verb, thing in [("saw took kept".split()[number % 3], "egg bag cage".split()[number % 2])]
)
LABELLED = "".join(f"{'xyz'[number % 3]}\t{'abc'[number % 3]}{'de' * (number % 7)}{number}\n" for number in range(120))
SEVERAL = LABELLED.replace("x\t", "x y\t")
TAGGED = "".join(
    f"{name}\tB-NAME\nsees\tO\nold\tO\n{place}\tB-PLACE\nStreet\tI-PLACE\n\n"
    for number in range(40)
    for name, place in [("Ann Bert Zoë Otto".split()[number % 4], f"{'Elm Oak Ash'.split()[number % 3]}{number % 5}")]
)
PAIRS = "".join(f"{word}\t{word[::-1]}\n" for number in range(100) for word in [f"{'abc'[number % 3]}{number * 7}x"])
SMALL = {"hidden": 12, "batch": 8, "steps": 16, "epochs": 3, "lr": 0.02, "threads": 1}

# Each kind of language model, by the options that make it: every cell, 1 to 3 layers, and every level.
LANGUAGE_MODELS = {
    "lstm": {"cell": "lstm", "layers": 1},
    "lstm-of-3-layers": {"cell": "lstm", "layers": 3},
    "gru": {"cell": "gru", "layers": 1},
    "gru-of-2-layers": {"cell": "gru", "layers": 2, "embedding": 5},
    "rnn": {"cell": "rnn", "layers": 2},
    "rnn-of-3-layers": {"cell": "rnn", "layers": 3, "embedding": 7},
    "peephole": {"cell": "peephole", "layers": 2},
    "feedforward": {"cell": "feedforward", "layers": 2, "context": 4},
    "feedforward-of-embeddings": {"cell": "feedforward", "layers": 1, "context": 3, "embedding": 6},
    "feedforward-of-one-token": {"cell": "feedforward", "layers": 1, "context": 1},
    "embedding": {"cell": "lstm", "layers": 2, "embedding": 9},
    "tied": {"cell": "lstm", "layers": 2, "embedding": 12, "tied": True},
    "tied-gru": {"cell": "gru", "layers": 1, "embedding": 12, "tied": True},
    "bytes": {"cell": "lstm", "layers": 1, "level": "byte"},
    "words": {"cell": "lstm", "layers": 1, "level": "word", "min_count": 2, "hidden": 6},
    "tokens": {"cell": "gru", "layers": 1, "level": "token", "min_count": 2, "embedding": 8},
    "subwords": {"cell": "lstm", "layers": 1, "level": "subword", "max_vocabulary": 120},
    "list": {"cell": "lstm", "layers": 1, "lines": True},
    "n-grams": {"cell": "lstm", "layers": 1, "ngrams": 4},
    "list-with-n-grams": {"cell": "gru", "layers": 2, "lines": True, "ngrams": 3},
}
# Each kind of model of another task: the text and the options.
OTHER_MODELS = {
    "classify": (LABELLED, {"task": "classify", "cell": "gru"}),
    "classify-in-both-directions": (
        LABELLED,
        {"task": "classify", "cell": "lstm", "layers": 3, "bidirectional": True},
    ),
    "classify-peephole": (
        LABELLED,
        {"task": "classify", "cell": "peephole", "hidden": 2, "layers": 2, "bidirectional": True},
    ),
    "several-labels": (
        SEVERAL,
        {"task": "classify", "multi_label": True, "cell": "rnn", "embedding": 4, "bidirectional": True},
    ),
    "generate": (LABELLED, {"task": "generate", "cell": "lstm"}),
    "generate-feedforward": (LABELLED, {"task": "generate", "cell": "feedforward", "context": 3}),
    "tag": (TAGGED, {"task": "tag", "cell": "lstm"}),
    "tag-in-both-directions": (TAGGED, {"task": "tag", "cell": "gru", "layers": 2, "bidirectional": True}),
    "translate": (PAIRS, {"task": "translate", "cell": "gru"}),
    "translate-in-both-directions": (
        PAIRS,
        {"task": "translate", "cell": "lstm", "layers": 2, "embedding": 6, "bidirectional": True},
    ),
    "translate-tied": (PAIRS, {"task": "translate", "cell": "gru", "embedding": 12, "tied": True}),
}


@pytest.fixture(scope="session")
def trained():
    """A function that makes the model of a name in LANGUAGE_MODELS or OTHER_MODELS, once."""
    made = {}

    def model(name):
        if name not in made:
            text, options = OTHER_MODELS.get(name) or (TEXT, {"lines": False, "ngrams": 0} | LANGUAGE_MODELS[name])
            made[name] = charlm.train(text=text, **SMALL | options)
        return made[name]

    return model


def _program(*names):
    """The first of some programs that this machine has. Skips the test where it has none, and says so."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"this machine has no {names[0]}")
    return found


@pytest.fixture(scope="session")
def node():
    """The path of Node; without it the test is skipped."""
    return _program("node", "nodejs")


@pytest.fixture(scope="session")
def chromium():
    """The path of Chromium; without it the test is skipped."""
    return _program("chromium", "chromium-browser", "google-chrome")
