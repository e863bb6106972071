"""A model of --task chords → new sequences of sets.

Given the sets before, the symbols of a step are independent of each other, and so each of them is sampled on its own:
it is in the set where a random number is below its probability. A sample has a given number of steps, because the model
does not say where a sequence ends. No sample is rejected.
"""

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from ..errors import PromptError, UsageError
from ..model import Model
from ..network.stepper import numpy_network, sigmoid
from ..tasks.sets import SetSequence, lines_of_sequence, sequences_in_lines
from ..tasks.summary import number_of
from .options import BY_NAME
from .prompt import seed_of
from .random_streams import bits_at, key_of
from .rules import SamplingCounts
from .samples import Piece, Sample
from .settings import SamplingOptions

OPTIONS = ("temperature", "prime", "start_with", "seed", "encoding")  # of ``SamplingOptions``: those that make sense


class SetSampler:
    """Samples ``count`` sequences of ``length`` steps; None for the usual length of the training text. ``counts`` says
    how many it has sampled. Raises UsageError for options that make no sense."""

    def __init__(self, model: Model, count: int, length: int | None, options: SamplingOptions):
        for option in fields(options):
            if option.name not in OPTIONS and getattr(options, option.name) != option.default:
                raise UsageError(
                    f"{BY_NAME[option.name].flag} does not go with a model of --task chords, which samples each symbol "
                    "of a set on its own: leave it out"
                )
        self.count = BY_NAME["count"].check(count)
        length = BY_NAME["length"].check(length)
        self.length = model.task.length if length is None else length
        self.symbols, self.temperature = model.vocabulary.symbols, options.temperature
        self._prime = self._ids(options.prime, "--prime")
        self._start = self._ids(options.start_with, "the beginning (--start-with)")
        if len(self._start) >= self.length:
            raise PromptError(
                f"the beginning (--start-with) has {number_of(len(self._start), 'step')}; --length must be more than "
                f"that, not {self.length:,}"
            )
        self._key = key_of(seed_of(options.seed))
        self._network = numpy_network(model.architecture, model.parameters, apart=True)
        self.counts = SamplingCounts(asked=self.count)

    def _ids(self, text: str, option: str) -> list[list[int]]:
        """The symbols of each step of a sequence that somebody gave, as indices. Raises PromptError."""
        numbers = {symbol: number for number, symbol in enumerate(self.symbols)}
        found: list[SetSequence] = list(sequences_in_lines((option, line) for line in text.split("\n")))
        if len(found) > 1:
            raise PromptError(f"{option} must be one sequence, and it has {len(found):,}: leave out the blank lines")
        steps = found[0].steps if found else []
        if unknown := next((symbol for step in steps for symbol in step if symbol not in numbers), None):
            raise PromptError(f"the model has never seen {unknown!r} in {option}; leave it out")
        return [[numbers[symbol] for symbol in step] for step in steps]

    def samples(self) -> Iterator[Sample]:
        """The samples, in order."""
        return (piece.sample for piece in self.pieces() if piece.sample is not None)

    def pieces(self) -> Iterator[Piece]:
        """The samples in order, each as one piece."""
        for number in range(self.count):
            sample = self._sample(bits_at(self._key, np.array([number], np.uint64)))
            self.counts.sampled += 1
            self.counts.count_shown(sample)
            yield Piece(number, sample.text, sample)

    def _sample(self, key: np.ndarray) -> Sample:
        """A sample. key: of its random numbers, uint64 (1)."""
        network, symbols = self._network, len(self.symbols)
        state = network.step(network.zero_state(1), np.zeros((1, symbols), np.float32))
        for ids in self._prime:
            state = network.step(state, _row(ids, symbols))
        log_probability, steps = 0.0, []
        for number in range(self.length):
            z = state[-1][0].astype(np.float64)
            if number < len(self._start):
                ids = self._start[number]
            else:
                positions = np.arange(number * symbols, (number + 1) * symbols, dtype=np.uint64)
                ids = self._drawn(z, (bits_at(key, positions) >> np.uint64(11)) * 2.0**-53)
            log_probability += z[ids].sum() - (np.maximum(z, 0) + np.log1p(np.exp(-abs(z)))).sum()
            steps.append([self.symbols[number] for number in ids])
            state = network.step(state, _row(ids, symbols))
        return Sample(text=lines_of_sequence(steps), log_probability=float(log_probability), tokens=self.length)

    def _drawn(self, z: np.ndarray, random: np.ndarray) -> list[int]:
        """The symbols of a step, as indices. z: the logits, random: a number from 0 to 1, of each symbol."""
        if not self.temperature:
            return np.flatnonzero(z > 0).tolist()
        with np.errstate(over="ignore"):  # of a very low temperature
            return np.flatnonzero(random < sigmoid(z / self.temperature)).tolist()


def _row(ids: list[int], symbols: int) -> np.ndarray:
    """The multi-hot row of a set, float32 (1, C)."""
    row = np.zeros((1, symbols), np.float32)
    row[0, ids] = 1
    return row
