"""What is worked on: sizes of networks, the operations of one token's update, a text made by chance, models."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
SYMBOLS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ,.;:!?'-()"
BLOCK = 1 << 23  # characters after which a long text repeats itself


class Workload(NamedTuple):
    """A network and the window it is trained on. vocabulary: <EOS> and <UNK> included; embedding: its width, 0 for
    one-hot input."""

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
        """Of one update."""
        return self.rows * self.steps

    @property
    def multiply_adds(self) -> int:
        """Of one token's update, by the mathematics: three products (forward, gradient by the input, gradient by the
        weights) for each weight; the row that one-hot input or an embedding gathers is none."""
        inputs = self.embedding + self.hidden * (2 * self.layers - 1)
        return 3 * self.hidden * (GATES[self.cell] * inputs + self.vocabulary)


def text(characters: int, seed: int = 1) -> str:
    """Lines of made-up words, which are as frequent as Zipf's law has it; all of SYMBOLS occur in a long one."""
    random = np.random.default_rng(seed)
    letters, capitals, marks = SYMBOLS[:26], SYMBOLS[26:52], SYMBOLS[53:]
    shares = 1 / np.arange(1, 27)
    spelt = random.choice(26, (5000, 10), p=shares / shares.sum())
    lengths = random.integers(1, 11, 5000)
    words = ["".join(letters[i] for i in row[:length]) for row, length in zip(spelt, lengths, strict=True)]
    words[3::10] = [capitals[number % 26] + word[1:] for number, word in enumerate(words[3::10])]
    ends = [" "] * 40 + ["\n"] * 5 + [mark + " " for mark in marks]
    shares = 1 / np.arange(1, 5001)
    number = min(characters, BLOCK) // 3 + 10  # a word and its end have more than three characters
    chosen = random.choice(5000, number, p=shares / shares.sum()).tolist()
    ended = random.integers(0, len(ends), number).tolist()
    block = "".join([words[i] + ends[j] for i, j in zip(chosen, ended, strict=True)])[: min(characters, BLOCK)]
    return (block * (characters // len(block) + 1))[:characters]


def write_text(path: Path, characters: int) -> Path:
    """A file of ``text``, of as many bytes as characters."""
    block = text(min(characters, BLOCK)).encode()
    with open(path, "wb") as file:
        for start in range(0, characters, len(block)):
            file.write(block[: characters - start])
    return path


def untrained_model(workload: Workload):
    """A charlm model of characters that has learnt only how frequent each is, and that <UNK> is very rare."""
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
    """The charlm of this Python: the command where it is installed, else the module."""
    beside = Path(sys.executable).with_name("charlm" + (".exe" if os.name == "nt" else ""))
    program = [str(beside)] if beside.exists() else [sys.executable, "-m", "charlm"]
    return program + [str(argument) for argument in arguments]
