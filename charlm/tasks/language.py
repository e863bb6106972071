"""The language model: each output is the next token. Scoring and sampling are for its models."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..network.architecture import Architecture
from ..network.growing import Places
from ..network.measuring import STEPS, Spans, measure, rows_for, sampled_spans, spans
from ..network.mixture import Mixture
from ..ranks import Ranks
from ..text.baselines import corpus_baselines, counted_tokens
from ..text.batches import Batch, line_windows, stream_windows
from ..text.columns import Columns
from ..text.corpus import ChooseLevel, Corpus, CorpusOptions, load_corpus
from ..text.interpolation import fitted_share, interpolated
from ..text.ngrams import NGrams
from ..text.vocabulary import UNITS, Known
from .summary import number_of

# Of the n-grams of a model: their order, if nobody says, and the most tokens of one that is kept if it occurs once.
ORDERS = {"char": 10, "byte": 10, "subword": 8, "word": 5, "token": 5}
SINGLETONS = {"char": 6, "byte": 6, "subword": 3, "word": 3, "token": 3}
NGRAMS_PER_PARAMETER = 3  # at most so many: an n-gram takes about three bytes of the file, a parameter four
SAMPLED, LEAST_SAMPLED = 0.125, 8192  # of the held-out part, a fraction and tokens, for the steps …
FIRST_STEPS = 4  # … before weights that nobody fitted are used
LAST_READINGS = 2  # at the end, because the network has changed since the reading before
LEAST_NGRAMS = 1_000_000  # that are kept however small the network is: three megabytes


@dataclass(frozen=True)
class LanguageModel:
    """A ``Task`` whose corpus is a ``Corpus``. columns: the text is one column of files that are tables, the last of
    these."""

    columns: Columns | None = None

    name = "text"
    input = "text"
    both_directions = False
    commands = "sample or charlm perplexity"
    architecture = Architecture
    why_not_bidirectional = "a language model that also reads from the end would read the answer"
    reads_whole_line = False
    defaults = {}
    most_epochs = math.inf

    @classmethod
    def load(
        cls, paths, options: CorpusOptions, known: Known | None = None, choose: ChooseLevel | None = None
    ) -> "tuple[LanguageModel, Corpus]":
        corpus = load_corpus(paths, options, choose, known)
        return cls(corpus.columns), corpus

    @classmethod
    def from_fields(cls, fields: dict) -> "LanguageModel":
        return cls(Columns.from_fields(fields["columns"]) if "columns" in fields else None)

    def fields(self) -> dict:
        return {"columns": self.columns.fields()} if self.columns else {}

    def description(self, level: str) -> str:
        return "text: the next token"

    def architecture_fields(self, vocabulary) -> dict:
        return {"vocabulary_size": len(vocabulary), "outputs": None, "bidirectional": False}

    def places(self, before, vocabulary, old):
        ids = vocabulary.ids_of(old)
        return Places(ids, ids)

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
        parts, tokens = "line" if corpus.lines else "piece", number_of(steps, UNITS[corpus.vocabulary.level])
        return f"{number_of(rows, parts)} of {'up to ' if corpus.lines else ''}{tokens}"

    def small_batch(self) -> Batch:
        tokens = np.zeros((1, 1), np.int32)
        return Batch(tokens, tokens, fresh=True)

    def ngrams(self, corpus, settings, parameters, earlier=None):
        if not settings.ngrams:
            return None
        counted = corpus.train[-counted_tokens(corpus, settings.minutes) :]
        most = settings.max_ngrams
        if most is None:
            most = max(LEAST_NGRAMS, NGRAMS_PER_PARAMETER * parameters)
        ngrams = NGrams.count(
            counted,
            len(corpus.vocabulary),
            settings.ngrams,
            corpus.lines,
            singletons=SINGLETONS[corpus.vocabulary.level],
            most=most,
        )
        if earlier is None:
            return ngrams
        return interpolated(ngrams, earlier, fitted_share(ngrams, earlier, corpus.evaluated), most)

    def evaluation(self, network, corpus, ngrams=None):
        if not len(corpus.held_out):
            return None
        return MixedEvaluation(network, corpus, ngrams) if ngrams else StreamEvaluation(network, corpus)

    def baselines(self, corpus, minutes, ngrams):
        most = counted_tokens(corpus, minutes)
        return corpus_baselines(corpus, most, ngrams), most


class StreamEvaluation:
    """Scores the held-out tokens ``corpus.evaluated``. size: their number. ranks: those that share the sequences."""

    ranks = Ranks()

    def __init__(self, network, corpus):
        self.tokens, self.lines, self.network = corpus.evaluated, corpus.lines, network
        self.size = len(self.tokens)

    def loss(self) -> float:
        return self._mean_loss(spans(self.tokens, self.lines))

    def sample_loss(self, number: int) -> float:
        return self._mean_loss(self._parts(number))

    def _parts(self, number: int) -> Spans:
        """About ``number`` of the tokens, or all."""
        if number >= self.size:
            return spans(self.tokens, self.lines)
        return sampled_spans(self.tokens, self.lines, number)

    def _mean_loss(self, parts: Spans) -> float:
        """Nats per token of some parts, under the current parameters."""
        return self._mean(self._window(rows_for(self._own(parts))), parts)

    def _own(self, parts: Spans) -> Spans:
        """Those parts that this rank reads."""
        return Spans(*(positions[self.ranks.rank :: self.ranks.number] for positions in parts))

    def _mean(self, engine, parts: Spans) -> float:
        """Nats per token of some parts. engine: for those that this rank reads."""
        nats = measure(engine, self.tokens, self._own(parts)).nats  # 0 outside the parts
        self.ranks.sum_tree(nats)
        return float(nats.sum(dtype=np.float64)) / int((parts.stop - parts.scored).sum())

    def _window(self, rows: int):
        """A window of the network with its current parameters."""
        from ..network.stack import StackWindow

        self.network.pack(for_training=False)
        # Training needs the memory: a small window, freed afterwards, costs 1 to 3 % of the speed of scoring.
        return StackWindow(self.network, STEPS // 2, rows)


class MixedEvaluation(StreamEvaluation):
    """A ``StreamEvaluation`` of a network that predicts together with n-grams. weights: the flat ones of the last
    reading of the held-out part; [] before the first."""

    def __init__(self, network, corpus, ngrams: NGrams):
        super().__init__(network, corpus)
        self.ngrams = ngrams

    def sample_loss(self, number: int, weights: Sequence[float] = ()) -> float:
        """The loss of the mixture, whose weights know both halves."""
        return self._loss_of(self._parts(number), self._weights(weights)[2])

    def loss_with(self, weights: np.ndarray) -> float:
        """Nats per token of the mixture with these weights, (N, 2)."""
        return self._loss_of(spans(self.tokens, self.lines), weights)

    def _loss_of(self, parts: Spans, weights: np.ndarray) -> float:
        from ..network.mixed_window import MixedWindow

        return self._mean(MixedWindow(self._window(rows_for(self._own(parts))), Mixture(self.ngrams, weights)), parts)

    def _weights(self, flat: Sequence[float]) -> np.ndarray:
        from ..network.mixed_window import even_weights

        order = self.ngrams.order
        return np.reshape(flat, (3, order, 2)) if len(flat) else even_weights(order)

    def fit(self, weights: Sequence[float], readings: int = 1):
        """Read the held-out part so many times, and improve the weights; see ``mixed_window.fit``. The last reading has
        the losses, with the weights of the one before."""
        from ..network.mixed_window import fit

        now, whole = self._weights(weights), spans(self.tokens, self.lines)
        rows = rows_for(whole)
        own_rows, share = len(range(self.ranks.rank, rows, self.ranks.number)), (rows, self.ranks)
        mixture, window = Mixture(self.ngrams, now[2]), self._window(max(1, own_rows))
        if not weights:
            sample = self._parts(max(round(SAMPLED * self.size), LEAST_SAMPLED))
            for _ in range(FIRST_STEPS):
                now = fit(window, mixture, now, self.tokens, self.lines, sample, share).weights
        for _ in range(readings):
            fitted = fit(window, mixture, now, self.tokens, self.lines, whole, share)
            now = fitted.weights
        return fitted


TASK = LanguageModel
