"""The language model: each output is the next token. Scoring and sampling are for its models."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..network.architecture import Architecture
from ..network.measuring import STEPS, Spans, measure, rows_for, sampled_spans, spans
from ..text.baselines import corpus_baselines, counted_tokens
from ..text.batches import Batch, line_windows, stream_windows
from ..text.corpus import Corpus, CorpusOptions, load_corpus
from ..text.vocabulary import UNITS


@dataclass(frozen=True)
class LanguageModel:
    """A ``Task`` whose corpus is a ``Corpus``."""

    name = "text"
    commands = "sample or charlm perplexity"
    architecture = Architecture
    why_not_bidirectional = "a language model that also reads from the end would read the answer"
    reads_whole_line = False
    defaults = {}
    most_epochs = math.inf

    @classmethod
    def load(cls, paths, options: CorpusOptions) -> "tuple[LanguageModel, Corpus]":
        return cls(), load_corpus(paths, options)

    @classmethod
    def from_fields(cls, fields: dict) -> "LanguageModel":
        return cls()

    def fields(self) -> dict:
        return {}

    def description(self, level: str) -> str:
        return "text: the next token"

    def architecture_fields(self, vocabulary) -> dict:
        return {"vocabulary_size": len(vocabulary), "outputs": None, "bidirectional": False}

    def unit(self, level: str) -> str:
        return UNITS[level]

    def state_widths(self, architecture) -> list[int]:
        return architecture.carried

    def network(self, architecture, parameters, pool, unknown=0.0):
        from ..network.head import softmax_head
        from ..network.stack import Stack

        return Stack(architecture, parameters, pool, head=partial(softmax_head, unknown=unknown))

    def window(self, network, steps, rows, training=False):
        from ..network.stack import StackWindow

        return StackWindow(network, steps, rows, training)

    def batches(self, corpus, rows, steps, random):
        return (line_windows if corpus.lines else stream_windows)(corpus.train, rows, steps, random)

    def batch_description(self, corpus, rows, steps) -> str:
        parts, unit = "line" if corpus.lines else "piece", UNITS[corpus.vocabulary.level]
        return f"{rows} {parts}{'s' if rows != 1 else ''} of {'up to ' if corpus.lines else ''}{steps} {unit}s"

    def small_batch(self) -> Batch:
        tokens = np.zeros((1, 1), np.int32)
        return Batch(tokens, tokens, fresh=True)

    def evaluation(self, network, corpus):
        return StreamEvaluation(network, corpus) if len(corpus.held_out) else None

    def baselines(self, corpus, minutes):
        most = counted_tokens(corpus, minutes)
        return corpus_baselines(corpus, most), most


class StreamEvaluation:
    """Scores the held-out tokens ``corpus.evaluated``. size: their number."""

    def __init__(self, network, corpus):
        self.tokens, self.lines, self.network = corpus.evaluated, corpus.lines, network
        self.size = len(self.tokens)

    def loss(self) -> float:
        return self._mean_loss(spans(self.tokens, self.lines))

    def sample_loss(self, number: int) -> float:
        return self.loss() if number >= self.size else self._mean_loss(sampled_spans(self.tokens, self.lines, number))

    def _mean_loss(self, parts: Spans) -> float:
        """Nats per token of some parts, under the current parameters."""
        from ..network.stack import StackWindow

        self.network.pack(for_training=False)
        # Training needs the memory: a small window, freed afterwards, costs 1 to 3 % of the speed of scoring.
        window = StackWindow(self.network, STEPS // 2, rows_for(parts))
        nats = measure(window, self.tokens, parts).nats  # 0 outside the parts
        return float(nats.sum(dtype=np.float64)) / int((parts.stop - parts.scored).sum())


TASK = LanguageModel
