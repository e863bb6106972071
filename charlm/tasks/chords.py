"""Many to many, each output a set: the next set of symbols given all sets before it, as music of several voices needs.

The input of step t is the multi-hot row of the set of step t - 1, and at the first step zeros; the target is the set of
step t. Each symbol has a logistic output (``network.head.LogisticHead``), and the loss of a step is the sum over all
symbols, -y log ŷ - (1 - y) log(1 - ŷ). So, given the sets before, the model takes the symbols of a step as independent
of each other.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import ClassVar

import numpy as np

from ..network.architecture import Architecture
from ..network.growing import Places
from ..portable.functions import log
from ..text.batches import Batch, Sequences, groups
from ..text.corpus import CorpusOptions
from ..text.vocabulary import SPECIAL, Known, Vocabulary
from .examples import EVALUATED, ROWS, ExampleEvaluation, Examples, ExampleTask, by_length, tokens_for
from .sets import SetNumbers, SetSequence, are_keys, check_options, counted, known_symbols, read_sets
from .summary import number_of


@dataclass
class NumberedSets:
    """steps: the numbers of the sets of each sequence, in the order of the steps. sets: their members."""

    steps: Sequences
    sets: Sequences

    def __len__(self):
        return len(self.steps.ids)


@dataclass(frozen=True)
class Chords(ExampleTask):
    """A ``Task``. length: the steps of a usual sequence of the training part (their median). sets: the distinct sets of
    the files that it is trained or measured on, as symbols from 0 on, the empty set first; a model does not keep them.

    The vocabulary has the symbols, from id 2 on; <EOS> and <UNK> are no inputs and no outputs here.
    """

    length: int
    sets: Sequences | None = field(default=None, compare=False, repr=False)

    name = "chords"
    commands = "sample or charlm perplexity"
    why_not_bidirectional = "a model that also reads from the end would read the answer"
    reads_whole_line = False
    defaults = {"layers": 1, "hidden": 256, "batch": 16, "steps": 64, "lr": 0.015, "dropout": 0.5}
    architecture: ClassVar[type] = Architecture
    most_epochs: ClassVar[float] = 100

    @classmethod
    def load(cls, paths, options: CorpusOptions, known: Known | None = None) -> "tuple[Chords, Examples]":
        """Sequences of sets (see ``sets``). The training part gives the symbols."""
        check_options(options)
        found, named = read_sets(paths, options)
        counts = counted(found.train)
        if known and not known.grows:
            symbols = known.vocabulary.symbols
        else:
            symbols = known_symbols(counts, named, known.vocabulary.symbols if known else ())
        if not named and not known and are_keys(symbols):
            found.notes.append(f"all symbols are MIDI numbers of a piano's keys; the model knows all {len(symbols)}")
        numbers = SetNumbers(symbols)
        steps = [_numbered(numbers, sequences) for sequences in (found.train, found.held_out)]
        task = cls(int(np.median(steps[0].lengths)), numbers.sets())
        train, held_out = (NumberedSets(of_part, task.sets) for of_part in steps)
        rates = np.array([counts[symbol] for symbol in symbols]) + 0.5  # as if one more step had half of each symbol
        rates /= len(train) + 1
        odds = log(rates) - log(1 - rates)
        of_sets = np.array([odds[task.sets.ids[start:stop]].sum() for start, stop in pairwise(task.sets.starts)])
        return task, Examples(
            vocabulary=Vocabulary("token", symbols),
            train=train,
            held_out=held_out,
            log_frequencies=odds,
            log_of_targets=of_sets + log(1 - rates).sum(),
            **found.facts(),
        )

    @classmethod
    def from_fields(cls, fields):
        if type(fields["length"]) is not int or not 0 < fields["length"] < 2**31:
            raise ValueError("it does not say how long its sequences were")
        return cls(fields["length"])

    def fields(self):
        return {"length": self.length}

    def reading(self, sequences: list[SetSequence], vocabulary: Vocabulary) -> "tuple[Chords, Sequences]":
        """The task with the sets of some sequences, and the numbers of these sets. Raises CorpusError for a symbol that
        the vocabulary does not have."""
        numbers = SetNumbers(vocabulary.symbols)
        steps = _numbered(numbers, sequences)
        return replace(self, sets=numbers.sets()), steps

    def description(self, level):
        return f"{self.name}: the next set of symbols; a usual sequence has {number_of(self.length, 'step')}"

    def architecture_fields(self, vocabulary):
        if vocabulary.level != "token":
            raise ValueError("its symbols are no words")
        symbols = len(vocabulary.symbols)
        return {
            "vocabulary_size": len(vocabulary),
            "channels": symbols,
            "outputs": symbols,
            "bidirectional": False,
        }

    def places(self, before, vocabulary, old):
        symbols = vocabulary.ids_of(old)[len(SPECIAL) :] - len(SPECIAL)
        return Places(symbols, symbols, has_symbols=False, reads_symbols=False)

    def unit(self, level):
        return "step"

    def batch_description(self, corpus, rows, steps):
        return f"up to {number_of(rows, 'sequence')} with {number_of(rows * steps, 'step')} in all"

    def network(self, architecture, parameters, pool, unknown=0.0):
        from ..network.head import logistic_head
        from ..network.stack import Stack

        sets = self.sets or Sequences([np.zeros(0, np.int32)])
        return Stack(architecture, parameters, pool, head=partial(logistic_head, sets=sets))

    def window(self, network, steps, rows, training=False):
        from ..network.sequences import Windows

        return Windows(network, rows, training)

    def batch(self, steps: Sequences, chosen: np.ndarray, channels: int) -> Batch:
        """Some sequences, by their indices. channels: the number of symbols."""
        targets = steps.padded(chosen, -1)
        before = np.concatenate((np.zeros((1, len(chosen)), np.int32), np.maximum(targets[:-1], 0)))
        return Batch(multi_hot(self.sets, before, channels), targets, fresh=True, lengths=steps.lengths[chosen])

    def batches(self, corpus, rows, steps, random):
        part, symbols = corpus.train.steps, len(corpus.vocabulary.symbols)
        for chosen in groups(part.starts, rows, random, rows * steps):
            yield self.batch(part, chosen, symbols)

    def small_batch(self):
        return Batch(np.zeros((1, 1, 2), np.float32), np.zeros((1, 1), np.int32), fresh=True, lengths=np.ones(1, int))

    def evaluation(self, network, corpus, ngrams=None):
        part, task, symbols = corpus.held_out, self, len(corpus.vocabulary.symbols)
        if not len(part):
            return None
        if part.sets is not self.sets:  # of another text (--also-valid)
            task = replace(self, sets=part.sets)
            network = task.network(network.architecture, network.parameters, network.pool)
        chosen = by_length(part.steps.lengths[:EVALUATED], tokens_for(symbols))
        batches = [task.batch(part.steps, some, symbols) for some in chosen]
        return ExampleEvaluation(network, self.window(network, 1, ROWS), batches)


def multi_hot(sets: Sequences, numbers: np.ndarray, channels: int) -> np.ndarray:
    """The rows of some sets, 1 for each symbol in the set and 0 for all others: float32 (T, N, C). numbers: of the
    sets, (T, N)."""
    rows = np.zeros((numbers.size, channels), np.float32)
    flat = numbers.ravel()
    starts, sizes = sets.starts[flat], sets.lengths[flat]
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    rows[np.repeat(np.arange(flat.size), sizes), sets.ids[np.repeat(starts, sizes) + within]] = 1
    return rows.reshape(*numbers.shape, channels)


def _numbered(numbers: SetNumbers, sequences: list[SetSequence]) -> Sequences:
    """The number of the set of each step of some sequences."""
    return Sequences([np.array(numbers.of(sequence), np.int32) for sequence in sequences])


TASK = Chords
