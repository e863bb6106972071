"""Model + pattern → the blanks filled, sampled from the posterior given the symbols that stand.

The pattern is read from left to right, with many beginnings of it in parallel. Each beginning has a weight, the
probability of its tokens. At a blank, every beginning continues in every possible way. While there are at most
``beginnings`` of them, all are kept, and at the end the weights are the exact posterior. Where there are more,
``beginnings`` of them are chosen: heavy ones stay as they are, and some of the light ones are sampled and get equal
weights. Each weight keeps its mean (the optimal resampling of Fearnhead and Clifford, 2003, for particle filters over
finite sets). No beginning is ever kept twice.
"""

import math
import re
from collections.abc import Iterator

import numpy as np

from ..errors import SamplingError, UsageError
from ..model import Model
from ..network.probabilities import log_softmax
from ..network.stepper import NextToken, Stepper, take_rows
from ..text.vocabulary import EOS, UNKNOWN, symbols_in
from .options import SamplingOptions, check_at_least_1
from .prompt import encode_prime, encode_start, line_of, seed_of
from .rules import REASONS, SamplingCounts, described, remedy_for, rules_for
from .samples import Piece, Sample

BLANK = "_"
BEGINNINGS = 1024
CONTINUATIONS = 1 << 22  # computed at a time, at most
OTHER_OPTIONS = "top_k top_p min_p unknown start_with stop min_length max_length best_of".split()


class Filler:
    """Fills a pattern ``count`` times. ``counts`` says at any time how much was sampled and rejected.

    pattern: every _ is a character (or byte) to be found; for a model of words, a run of _ is a word. The probability
    of a whole filling is raised to the power 1 / options.temperature; temperature 0 takes the most likely filling.
    A rejected filling is not sampled again, and with ``options.unique`` none is sampled twice. beginnings: see above;
    predictor: what predicts the next token, instead of the model's network.
    """

    def __init__(
        self,
        model: Model,
        pattern: str,
        count: int = 1,
        options: SamplingOptions | None = None,
        *,
        beginnings: int = BEGINNINGS,
        predictor: NextToken | None = None,
    ):
        options = options or SamplingOptions()
        check_goes_with_fill(options)
        check_at_least_1("count", count)
        self.model, self.count, self.temperature = model, count, options.temperature
        self.rules, self.random = rules_for(model, options), np.random.default_rng(seed_of(options.seed))
        self.prime = encode_prime(model, options.prime)
        self.steps = steps_of(model, pattern)
        self.beginnings = max(1, min(beginnings, CONTINUATIONS // len(model.vocabulary)))
        self.counts = SamplingCounts(max_tries=options.max_tries, asked=count)
        self._predictor = predictor

    def samples(self) -> Iterator[Sample]:
        """The fillings, one after the other. Raises SamplingError where none is left that may be shown."""
        tokens, nats, weights = self.posterior()
        decode, prime = self.model.vocabulary.decode, self.model.vocabulary.decode(line_of(self.prime))
        while self.counts.found < self.count:
            total = weights.sum()
            if total <= 0:
                self._give_up(len(tokens))
            if self.temperature == 0:
                chosen = int(weights.argmax())
            else:
                chosen = int(np.searchsorted(np.cumsum(weights), self.random.random() * total, "right"))
            self.counts.count_sampled(1)
            ids = tokens[chosen].tolist()
            text = decode(ids).removesuffix("\n") if self.model.lines else decode(ids)
            ((run, novel),) = self.rules.copies_in([text], [prime + text] if self.model.lines else None)
            reason = self._reason(ids, novel)
            if reason or self.rules.unique:
                weights[chosen] = 0
            if reason:
                self.counts.reject(reason)
                continue
            self.counts.end_streak()
            sample = Sample(text, -float(nats[chosen]), len(ids), run, novel)
            self.counts.count_shown(sample)
            yield sample

    def pieces(self) -> Iterator[Piece]:
        """The same, as ``Sampler`` gives them."""
        for number, sample in enumerate(self.samples()):
            yield Piece(number, sample.text, sample)

    def _reason(self, ids, novel):
        """The reason to reject a filling, a name of REASONS; None if there is none."""
        vocabulary = self.model.vocabulary
        if vocabulary.level == "word" and vocabulary.encode(vocabulary.decode(ids)).tolist() != ids:
            return "no_text"
        return "copied" if novel is False and not self.rules.allow_copies else None

    def _give_up(self, fillings):
        rejections = self.counts.rejections
        why = f" ({described(rejections)})" if rejections else ""
        remedy = remedy_for(rejections) if rejections else REASONS["repeated"].remedy
        raise SamplingError(
            f"{self.counts.found:,} of {self.counts.asked:,} fillings were found; no other is left of the "
            f"{fillings:,} most likely{why}: {remedy}"
        )

    def posterior(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The fillings that were found, as ids (n, tokens), their -log ŷ (n), and their weights (n), of sum 1.

        ``log_evidence`` is then the logarithm of the sum of the weights before: at temperature 1 the probability of
        all fillings together, or an unbiased estimate of it.
        """
        predictor = self._predictor or Stepper(self.model.architecture, self.model.parameters)
        power = 1 / self.temperature if self.temperature else 1.0
        state, _ = predictor.begin(self.prime)
        tokens, nats, logs, self.log_evidence = np.zeros((1, 0), np.int64), np.zeros(1), np.zeros(1), 0.0
        for allowed in self.steps:
            costs = -log_softmax(state[-1].astype(np.float64))[:, allowed]
            continuations = (logs[:, None] - power * costs).ravel()
            costs = (nats[:, None] + costs).ravel()
            if len(continuations) <= self.beginnings:
                chosen, logs = np.arange(len(continuations)), continuations
            elif self.temperature == 0:
                chosen = np.sort(np.argsort(-continuations, kind="stable")[: self.beginnings])
                logs = continuations[chosen]
            else:
                chosen, logs = resample(continuations, self.beginnings, self.random)
            self.log_evidence += logs.max()
            logs, nats = logs - logs.max(), costs[chosen]
            parents, last = chosen // len(allowed), allowed[chosen % len(allowed)]
            tokens = np.column_stack((tokens[parents], last))
            state = self._continued(predictor, state, parents, last)
        weights = np.exp(logs)
        self.log_evidence += math.log(weights.sum())
        return tokens, nats, weights / weights.sum()

    @staticmethod
    def _continued(predictor, state, parents, tokens):
        """The state of each beginning: that of its parent, and one token more."""
        filling = predictor.rows_for(len(tokens)) - len(tokens)
        state = predictor.step(take_rows(state, np.pad(parents, (0, filling))), np.pad(tokens, (0, filling)))
        return take_rows(state, slice(len(tokens)))


def check_goes_with_fill(options: SamplingOptions) -> None:
    """Raise UsageError where an option has no meaning for a pattern."""
    defaults = SamplingOptions()
    for name in OTHER_OPTIONS:
        if getattr(options, name) != getattr(defaults, name):
            raise UsageError(f"--fill and --{name.replace('_', '-')} do not go together")


def resample(logs: np.ndarray, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Choose at most ``count`` of n weights so that each keeps its mean: (which, in order; logarithms of the weights).

    logs: logarithms of the weights, (n > count). Weights above a threshold stay as they are. Of those below, as many
    are sampled as there is room for, each with a probability in proportion to its weight, and get the threshold as
    their weight.
    """
    top = logs.max()
    weights = np.exp(logs - top)
    order = np.argsort(-weights, kind="stable")
    below = np.cumsum(weights[order[::-1]])[::-1][:count]  # the sum of a weight and of all that are smaller
    thresholds = below / (count - np.arange(count))
    heavy = int(np.argmax(weights[order[:count]] <= thresholds))  # so many are above their threshold
    threshold = thresholds[heavy]
    kept = np.sort(order[:heavy])
    if threshold <= 0:
        return kept, logs[kept]
    light = np.sort(order[heavy:])
    sums = np.cumsum(weights[light])
    points = (random.random() + np.arange(count - heavy)) * (sums[-1] / (count - heavy))
    sampled = light[np.unique(np.minimum(np.searchsorted(sums, points, "right"), len(light) - 1))]
    chosen = np.concatenate((kept, sampled))
    logs = np.concatenate((logs[kept], np.full(len(sampled), np.log(threshold) + top)))
    return np.sort(chosen), logs[np.argsort(chosen)]


def steps_of(model: Model, pattern: str) -> list[np.ndarray]:
    """For each token of a pattern the ids that may stand there, <EOS> at the end for a model of lines."""
    vocabulary = model.vocabulary
    symbols = symbols_in(pattern, vocabulary.level)
    if vocabulary.level == "word":
        blanks = [re.fullmatch(f" ?{BLANK}+", symbol) is not None for symbol in symbols]
        for symbol, blank in zip(symbols, blanks, strict=True):
            if not blank and BLANK in symbol and vocabulary.unknown_in(symbol):
                raise UsageError(f"a blank is a whole word for this model, as in 'the ____ of', not {symbol!r}")
    else:
        blanks = [symbol in (BLANK, ord(BLANK)) for symbol in symbols]
    if not any(blanks):
        raise UsageError(f"--fill needs a pattern with at least one blank ({BLANK}), not {pattern!r}")
    steps = []
    for symbol, blank in zip(symbols, blanks, strict=True):
        if blank:
            allowed = ids_for_blank(vocabulary, symbol)
            if not len(allowed):
                raise SamplingError("the model's vocabulary has nothing that could stand in a blank of --fill")
            steps.append(allowed)
        else:
            text = bytes([symbol]).decode("utf-8", "surrogateescape") if vocabulary.level == "byte" else symbol
            steps.append(np.array(encode_start(model, text, "--fill")))
    return [*steps, np.array([EOS])] if model.lines else steps


def ids_for_blank(vocabulary, symbol) -> np.ndarray:
    """What may stand in a blank: any symbol; for words, any word, with a space before it where the blank has one."""
    ids = np.arange(len(vocabulary))
    if vocabulary.level != "word":
        return ids[UNKNOWN + 1 :]
    space = symbol.startswith(" ")
    fits = [word.startswith(" ") == space and word.strip()[:1].isalnum() for word in vocabulary.symbols]
    return ids[UNKNOWN + 1 :][np.array(fits, bool)]
