"""A model of --task chords + files of sequences of sets → how surprising their steps are."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..model import Model
from ..network.threads import ThreadPool
from ..options import ENCODING, THREADS
from ..score import PER_NAT, figures_in
from ..tasks.examples import ROWS, by_length, tokens_for
from ..tasks.sets import TEST, sequences_in
from ..tasks.summary import number_of
from ..text.layout import named_values
from ..text.reading import path_list


@dataclass(frozen=True, kw_only=True)
class StepScore:
    """How surprising sequences of sets are to a model. sequences, steps, symbols: how many there are, each symbol
    counted in each step that has it. nats: -y log ŷ - (1 - y) log(1 - ŷ), summed over all symbols of the model and over
    all steps (section 3.4 of the notes)."""

    sequences: int
    steps: int
    symbols: int
    nats: float

    @property
    def nats_per_step(self) -> float:
        """The mean loss of a step: minus the logarithm of the probability of its set."""
        return self.nats / self.steps

    def as_dict(self, unit: str = "nats") -> dict:
        """The figures, for JSON. unit: a key of PER_NAT, as in ``Score.as_dict``."""
        counts = {"sequences": self.sequences, "steps": self.steps, "symbols": self.symbols}
        return counts | figures_in(unit, {"nats": self.nats, "nats_per_step": self.nats_per_step})

    def lines(self, width: int | None = None, unit: str = "nats") -> list[str]:
        """The figures for people. width: of the terminal, None for a pipe; unit: as for ``as_dict``."""
        rows = [
            ("sequences", f"{self.sequences:,}"),
            ("steps", f"{self.steps:,}, with {number_of(self.symbols, 'symbol')}"),
            (f"{unit} per step", f"{PER_NAT[unit] * self.nats_per_step:.4f}   (of all symbols together)"),
        ]
        return named_values(rows, 20, width)


def steps_of_files(model: Model, paths: Any, encoding: str = "utf-8", threads: int | None = None) -> StepScore:
    """How surprising the sequences in some files are; of a file of piano rolls that has parts, those of "testdata".
    Raises UsageError for a model of another task, CorpusError for files that cannot be read and for a symbol that the
    model does not know."""
    model.check_task("chords")
    found = sequences_in(path_list(paths), TEST, ENCODING.check(encoding)).sequences
    task, steps = model.task.reading(found, model.vocabulary)  # type: ignore[attr-defined]  # of Chords only
    network = task.network(model.architecture, model.parameters, ThreadPool(THREADS.check(threads)))
    network.pack(for_training=False)
    window, channels = task.window(network, 1, ROWS), model.architecture.channels
    nats = [
        float(window.losses(task.batch(steps, chosen, channels)).sum(dtype=np.float64))
        for chosen in by_length(steps.lengths, tokens_for(channels))
    ]
    symbols = sum(len(step) for sequence in found for step in sequence.steps)
    return StepScore(sequences=len(found), steps=len(steps.ids), symbols=symbols, nats=math.fsum(nats))
