"""What a model writes while it learns: a few lines, sampled from its parameters of this moment.

The sample decides nothing: it is made from a copy of the parameters, by the network alone, with random numbers of its
own. Copies of the training text are not rejected here. A large network needs long for a line, so a sample is made in
pieces of SLICE.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..model import Model
from ..network.stepper import Stepper, take_rows
from ..sampling.decoding import Decoding
from ..text.layout import cut, wrapped
from ..text.visible import visible
from ..text.vocabulary import EOS, UNKNOWN

if TYPE_CHECKING:
    from .loop import Trainer

EVERY = 2.0  # seconds from one sample to the next, at least
PART = 0.003  # of the time of a training that samples may take, about
SLICE = 0.02  # seconds after which a sample waits for its next turn
TOKENS = {"char": 80, "byte": 80, "subword": 32, "word": 20, "token": 20}  # of a line, at most
WRITING = ("text", "generate")  # the tasks whose models write


class Preview:
    """The lines that a trainer's model writes, at most ``number`` of them; none for a task that does not write.

    texts: of the last sample, or of the beginning of the first one. is_whole: whether they are whole. seed: of each
    sample; None for random numbers that go on from one sample to the next. every: seconds from one sample to the next,
    at least.
    """

    def __init__(self, trainer: Trainer, number: int, seed: int | None = None, every: float = EVERY):
        self.trainer, self.number = trainer, number if trainer.task.name in WRITING else 0
        self.texts: list[str] = []
        self.is_whole = False
        self._seed, self._every = seed, every
        self._random, self._next, self._begun = np.random.default_rng(seed), 0.0, -math.inf
        self._growing: Iterator[None] | None = None
        self._written: list[tuple[str, list[int]]] = []  # of the growing sample: what is before each text, its ids

    @property
    def is_growing(self) -> bool:
        return self._growing is not None

    def refresh(self) -> bool:
        """Sample for a moment, if it is time to. Whether a sample has become whole."""
        start = time.perf_counter()
        if not self.number or start < self._next:
            return False
        if self._growing is None:
            if not np.isfinite(self.trainer.parameters).all():
                return False
            self.begin()
        with np.errstate(all="ignore"):
            for _ in self._growing or ():
                if time.perf_counter() > start + SLICE:
                    break
            else:
                self._growing = None
        if self._growing is None or not self.is_whole:
            self.texts, self.is_whole = self._decoded(), self._growing is None
        self._next = start + (time.perf_counter() - start) / PART
        if self._growing is None:
            self._next = max(self._next, self._begun + self._every)
        return self._growing is None

    def begin(self) -> None:
        """Begin a sample, by the parameters of this moment."""
        trainer = self.trainer
        model = Model(
            architecture=trainer.architecture,
            vocabulary=trainer.corpus.vocabulary,
            parameters=trainer.parameters.copy(),
            lines=trainer.corpus.lines,
            task=trainer.task,
        )
        if self._seed is not None:
            self._random = np.random.default_rng(self._seed)
        self._begun, self._growing = time.perf_counter(), self._grow(model)

    def whole(self, model: Model) -> list[str]:
        """A sample of another model for the same text, whole."""
        if self._seed is not None:
            self._random = np.random.default_rng(self._seed)
        with np.errstate(all="ignore"):
            for _ in self._grow(model) if self.number else ():
                pass
        self._growing = None
        self.texts = self._decoded()
        return self.texts

    def lines(self, width: int) -> list[str]:
        """What to show: at most ``number`` lines of at most ``width`` columns, without blank ones."""
        found: list[str] = []
        for text in self.texts:
            shown = [visible(line.replace("\t", "    ")).strip() for line in text.split("\n") if line.strip()]
            if self._is_stream:
                shown = [part for line in shown for part in wrapped(line, width)]
            found += (cut(line, width) for line in shown)
        return found[: self.number]

    @property
    def _is_stream(self) -> bool:
        return not self.trainer.corpus.lines

    def _decoded(self) -> list[str]:
        """The texts of the growing sample, without <UNK>."""
        decode, outside = self.trainer.corpus.vocabulary.decode, self.trainer.corpus.vocabulary.outside
        return [before + outside(decode(token for token in ids if token != UNKNOWN)) for before, ids in self._written]

    def _grow(self, model: Model) -> Iterator[None]:
        """Sample ``number`` lines, or the beginning of one stream, into ``_written``: a token of each at a time."""
        trainer = self.trainer
        self._written = []
        if trainer.task.name == "text":
            yield from self._texts(model, [""] * (1 if self._is_stream else self.number))
            return
        labels = trainer.task.labels
        for label in self._random.choice(len(labels), min(self.number, len(labels)), replace=False):
            yield from self._texts(model.given(labels[label]), [f"{labels[label]}: "])

    def _texts(self, model: Model, before: list[str]) -> Iterator[None]:
        """Sample a text of a language model for each entry of ``before``."""
        new: list[tuple[str, list[int]]] = [(words, []) for words in before]
        self._written += new
        stepper = Stepper(model.architecture, model.parameters, len(new) == 1, model.mixture)
        rows, decoding = stepper.rows_for(len(new)), Decoding()
        state = take_rows(stepper.begin([])[0], [0] * rows)
        is_open = np.arange(rows) < len(new)
        for _ in range(TOKENS[model.vocabulary.level] * (self.number if self._is_stream else 1)):
            yield
            tokens, _ = decoding.sample(state[-1], self._random.random(rows))
            if not self._is_stream:
                is_open &= tokens != EOS
            if not is_open.any():
                return
            for (_, ids), token, is_more in zip(new, tokens.tolist(), is_open.tolist(), strict=False):
                if is_more:
                    ids.append(token)
            state = stepper.step(state, tokens)
