"""What a model writes while it learns: a few lines, sampled from its parameters of this moment.

The sample decides nothing: it is made from a copy of the parameters, with random numbers of its own. Copies of the
training text are not rejected here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from ..model import Model
from ..network.stepper import Stepper, take_rows
from ..sampling.decoding import Decoding
from ..text.visible import visible
from ..text.vocabulary import EOS
from .columns import cut, wrapped

if TYPE_CHECKING:
    from ..learning.loop import Trainer

EVERY = 2.0  # seconds from one sample to the next, at least
PART = 0.004  # of the time of a training that samples may take, about
LONGEST = 0.1  # seconds of one sample: a large network writes fewer characters in them
TOKENS = {"char": 80, "byte": 80, "word": 20}  # of a line, at most
WRITING = ("text", "generate")  # the tasks whose models write


class Preview:
    """The lines that a trainer's model writes, at most ``number`` of them; none for a task that does not write."""

    def __init__(self, trainer: Trainer, number: int):
        self.trainer, self.number = trainer, number if trainer.task.name in WRITING else 0
        self.texts: list[str] = []
        self._random, self._next = np.random.default_rng(), 0.0

    def refresh(self) -> None:
        """Sample anew, if it is time to."""
        begun = time.perf_counter()
        if not self.number or begun < self._next or not np.isfinite(self.trainer.parameters).all():
            return
        with np.errstate(all="ignore"):
            self.texts = self._sampled()
        self._next = begun + max(EVERY, (time.perf_counter() - begun) / PART)

    def lines(self, width: int) -> list[str]:
        """What to show: at most ``number`` lines of at most ``width`` columns, without blank ones."""
        found: list[str] = []
        for text in self.texts:
            shown = [visible(line.replace("\t", "    ")).rstrip() for line in text.split("\n") if line.strip()]
            if self._is_stream:
                shown = [part.strip() for line in shown for part in wrapped(line, width)]
            found += (cut(line, width) for line in shown)
        return found[: self.number]

    @property
    def _is_stream(self) -> bool:
        return not self.trainer.corpus.lines

    def _sampled(self) -> list[str]:
        """Some texts: ``number`` lines, or the beginning of one stream."""
        trainer = self.trainer
        model = Model(
            architecture=trainer.architecture,
            vocabulary=trainer.corpus.vocabulary,
            parameters=trainer.parameters.copy(),
            lines=trainer.corpus.lines,
            task=trainer.task,
        )
        if trainer.task.name == "text":
            number = 1 if self._is_stream else self.number
            return self._written(model, number, time.perf_counter() + LONGEST)
        labels = self._random.choice(trainer.task.labels, min(self.number, len(trainer.task.labels)), replace=False)
        each = LONGEST / len(labels)
        return [
            f"{label}: {self._written(model.given(str(label)), 1, time.perf_counter() + each)[0]}" for label in labels
        ]

    def _written(self, model: Model, number: int, end: float) -> list[str]:
        """Texts of a language model, each until its end, until it is long enough, or until the time is up."""
        stepper = Stepper(model.architecture, model.parameters, few_rows=number == 1)
        rows = stepper.rows_for(number)
        state = take_rows(stepper.begin([])[0], [0] * rows)
        decoding, ids = Decoding(mask_unknown=True), []
        most = TOKENS[model.vocabulary.level] * (self.number if self._is_stream else 1)
        is_open = np.arange(rows) < number
        while is_open.any() and len(ids) < most:
            tokens, _ = decoding.sample(state[-1], self._random.random(rows))
            if not self._is_stream:
                is_open &= tokens != EOS
                tokens = np.where(is_open, tokens, EOS)
            ids.append(tokens)
            if time.perf_counter() > end:
                break
            state = stepper.step(state, tokens)
        return [model.vocabulary.decode(row).rstrip("\n") for row in np.transpose(ids)[:number].tolist()]
