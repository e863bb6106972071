"""The workloads of the benchmarks: sizes of networks, multiply-adds per token, a random text, models."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
SYMBOLS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ,.;:!?'-()"
BLOCK = 1 << 23  # characters after which a long text repeats


class Workload(NamedTuple):
    """A network and the size of its windows.

    rows, steps: of a window; vocabulary: <EOS> and <UNK> included; embedding: its width, 0 for one-hot input.
    """

    cell: str
    layers: int
    hidden: int
    rows: int = 64
    steps: int = 64
    vocabulary: int = len(SYMBOLS) + 2
    embedding: int = 0

    def __str__(self):
        return f"{self.cell.upper()} {self.layers}×{self.hidden}"

    @property
    def tokens(self) -> int:
        """Tokens of one update."""
        return self.rows * self.steps

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one token's update in the mathematics: three products per weight (forward, gradient with
        respect to the input, gradient with respect to the weights). Gathering a row of one-hot input or of an
        embedding counts nothing."""
        inputs = self.embedding + self.hidden * (2 * self.layers - 1)
        return 3 * self.hidden * (GATES[self.cell] * inputs + self.vocabulary)


def text(characters: int, seed: int = 1) -> str:
    """Lines of random words whose frequencies follow Zipf's law. A long text contains all of SYMBOLS."""
    random = np.random.default_rng(seed)
    letters, capitals, marks = SYMBOLS[:26], SYMBOLS[26:52], SYMBOLS[53:]
    weights = 1 / np.arange(1, 27)
    spelt = random.choice(26, (5000, 10), p=weights / weights.sum())
    lengths = random.integers(1, 11, 5000)
    words = ["".join(letters[i] for i in row[:length]) for row, length in zip(spelt, lengths, strict=True)]
    words[3::10] = [capitals[number % 26] + word[1:] for number, word in enumerate(words[3::10])]
    ends = [" "] * 40 + ["\n"] * 5 + [mark + " " for mark in marks]
    weights = 1 / np.arange(1, 5001)
    number = min(characters, BLOCK) // 3 + 10  # a word and its end are more than three characters
    chosen = random.choice(5000, number, p=weights / weights.sum()).tolist()
    ended = random.integers(0, len(ends), number).tolist()
    block = "".join([words[i] + ends[j] for i, j in zip(chosen, ended, strict=True)])[: min(characters, BLOCK)]
    return (block * (characters // len(block) + 1))[:characters]


def write_text(path: Path, characters: int) -> Path:
    """Write ``text(characters)`` to a file, one byte per character."""
    block = text(min(characters, BLOCK)).encode()
    with open(path, "wb") as file:
        for start in range(0, characters, len(block)):
            file.write(block[: characters - start])
    return path


def untrained_model(workload: Workload):
    """A model that knows only the frequency of each character, and that <UNK> is very rare."""
    from charlm.model import Model
    from charlm.network.architecture import Architecture, initial_parameters
    from charlm.text.vocabulary import EOS, UNKNOWN, Vocabulary

    vocabulary = Vocabulary("char", SYMBOLS[: workload.vocabulary - 2])
    counts = np.bincount(vocabulary.encode(text(100_000)), minlength=len(vocabulary)) + 1.0
    counts[UNKNOWN] = 1e-4 * counts[EOS]
    architecture = Architecture(len(vocabulary), workload.cell, workload.hidden, workload.layers)
    parameters = initial_parameters(architecture, np.log(counts / counts.sum()), 1)
    return Model(architecture=architecture, vocabulary=vocabulary, parameters=parameters, lines=False)


def charlm_command(*arguments) -> list[str]:
    """The command line that runs charlm with this Python: the installed command, or else the module."""
    installed = Path(sys.executable).with_name("charlm" + (".exe" if os.name == "nt" else ""))
    program = [str(installed)] if installed.exists() else [sys.executable, "-m", "charlm"]
    return program + [str(argument) for argument in arguments]
