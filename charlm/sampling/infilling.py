"""Model + pattern → the blanks filled, drawn from the posterior given the letters that stand.

The pattern is read from left to right by many beginnings of it at once, each with its weight: the probability of all
that it holds so far. At a blank each of them goes on in every possible way. As long as these are not more than
``beginnings``, nothing is left to chance, and at the end the weights are the posterior itself. Where they are more, as
many are chosen: those of much weight stay as they are, and of the others some by chance, each with the same weight, so
that every weight keeps its mean (the optimal resampling of Fearnhead and Clifford, 2003, for particle filters over
finite sets). No beginning is ever there twice.
"""

import math
import re
from collections.abc import Iterator

import numpy as np

from ..errors import SamplingError, UsageError
from ..model import Model
from ..network.reference import log_softmax
from ..network.stepper import Stepper, take_rows
from ..text.vocabulary import EOS, UNKNOWN, symbols_in
from .acceptance import MOST_TRIES, REASONS, Piece, Rules, Sample, SamplingCounts, in_words, remedy_for, rules_for
from .prompt import encode_prime, encode_start, line_of, seed_of

BLANK = "_"
BEGINNINGS = 1024
WAYS = 1 << 22  # ways to go on that are looked at together, at most


class Filler:
    """Fills a pattern ``count`` times. ``tally`` says at any time what was drawn and refused.

    pattern: every _ is a character (or byte) to be found; for words a run of _ is a word. temperature: the probability
    of a filling as a whole is raised to the power 1 / temperature; 0 for the likeliest. A filling that is refused is
    not drawn again, and with ``rules.unique`` none is drawn twice. beginnings: see above.
    """

    def __init__(
        self,
        model: Model,
        pattern: str,
        count: int = 1,
        temperature: float = 1.0,
        rules: Rules | None = None,
        *,
        prime: str = "",
        max_tries: int = MOST_TRIES,
        seed: int | tuple[int, ...] | None = None,
        beginnings: int = BEGINNINGS,
    ):
        for name, value in (("count", count), ("max-tries", max_tries)):
            if value < 1:
                raise UsageError(f"--{name} must be at least 1, not {value}")
        if not 0 <= temperature < np.inf:
            raise UsageError(f"--temperature must be a number from 0 (the likeliest) up, not {temperature}")
        self.model, self.count, self.temperature = model, count, temperature
        self.rules, self.random = rules or rules_for(model), np.random.default_rng(seed_of(seed))
        self.prime = encode_prime(model, prime)
        self.steps = steps_of(model, pattern)
        self.beginnings = max(1, min(beginnings, WAYS // len(model.vocabulary)))
        self.tally = SamplingCounts(max_tries, asked=count)

    def samples(self) -> Iterator[Sample]:
        """The fillings, one after the other. Raises SamplingError where none is left that may be shown."""
        tokens, nats, weights = self.posterior()
        decode, prime = self.model.vocabulary.decode, self.model.vocabulary.decode(line_of(self.prime))
        while self.tally.found < self.count:
            total = weights.sum()
            if total <= 0:
                self._give_up(len(tokens))
            if self.temperature == 0:
                chosen = int(weights.argmax())
            else:
                chosen = int(np.searchsorted(np.cumsum(weights), self.random.random() * total, "right"))
            self.tally.drawn += 1
            ids = tokens[chosen].tolist()
            text = decode(ids).removesuffix("\n") if self.model.lines else decode(ids)
            ((run, new),) = self.rules.copies([text], [prime + text] if self.model.lines else None)
            fault = self._fault(ids, new)
            if fault or self.rules.unique:
                weights[chosen] = 0
            if fault:
                self.tally.refuse(fault)
                continue
            self.tally.succeed()
            sample = Sample(text, -float(nats[chosen]), len(ids), run, new)
            self.tally.show(sample)
            yield sample

    def _fault(self, ids, new):
        vocabulary = self.model.vocabulary
        if vocabulary.level == "word" and vocabulary.encode(vocabulary.decode(ids)).tolist() != ids:
            return "no_text"
        return "copied" if new is False and not self.rules.allow_copies else None

    def _give_up(self, fillings):
        why = f" ({in_words(self.tally.refusals)})" if self.tally.refused else ""
        remedy = remedy_for(self.tally.refusals) if self.tally.refused else REASONS["repeated"].remedy
        raise SamplingError(
            f"{self.tally.found:,} of {self.tally.asked:,} fillings were found; no other is left of the {fillings:,} "
            f"likeliest{why}: {remedy}"
        )

    def pieces(self) -> Iterator[Piece]:
        """The same, as ``Sampler`` gives them."""
        for number, sample in enumerate(self.samples()):
            yield Piece(number, sample.text, sample)

    def posterior(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The fillings that were found, as ids (n, tokens), with -log ŷ of each (n) and their weights (n), which add
        up to 1. ``log_evidence`` is then the logarithm of what the weights added up to before: at temperature 1 the
        probability of all fillings together, or an estimate of it that is right in the mean."""
        walk, power = (
            Stepper(self.model.architecture, self.model.parameters),
            1 / self.temperature if self.temperature else 1.0,
        )
        place, _ = walk.begin(self.prime)
        tokens, nats, logs, self.log_evidence = np.zeros((1, 0), np.int64), np.zeros(1), np.zeros(1), 0.0
        for allowed in self.steps:
            costs = -log_softmax(place[-1].astype(np.float64))[:, allowed]
            ways = (logs[:, None] - power * costs).ravel()
            costs = (nats[:, None] + costs).ravel()
            if len(ways) <= self.beginnings:
                chosen, logs = np.arange(len(ways)), ways
            elif self.temperature == 0:
                chosen = np.sort(np.argsort(-ways, kind="stable")[: self.beginnings])
                logs = ways[chosen]
            else:
                chosen, logs = resample(ways, self.beginnings, self.random)
            self.log_evidence += logs.max()
            logs, nats = logs - logs.max(), costs[chosen]
            parents, last = chosen // len(allowed), allowed[chosen % len(allowed)]
            tokens = np.column_stack((tokens[parents], last))
            place = self._go_on(walk, place, parents, last)
        weights = np.exp(logs)
        self.log_evidence += math.log(weights.sum())
        return tokens, nats, weights / weights.sum()

    @staticmethod
    def _go_on(walk, place, parents, tokens):
        filling = walk.rows_for(len(tokens)) - len(tokens)
        place = walk.step(take_rows(place, np.pad(parents, (0, filling))), np.pad(tokens, (0, filling)))
        return take_rows(place, slice(len(tokens)))


def resample(logs: np.ndarray, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Choose at most ``count`` of n weights so that each keeps its mean: (which, in order; logarithms of the weights).

    logs: logarithms of the weights, (n > count). Weights above a threshold stay as they are; of those below as many
    are drawn as there is room for, each with a chance in proportion to its weight, and given the threshold as weight.
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
    drawn = light[np.unique(np.minimum(np.searchsorted(sums, points, "right"), len(light) - 1))]
    chosen = np.concatenate((kept, drawn))
    logs = np.concatenate((logs[kept], np.full(len(drawn), np.log(threshold) + top)))
    return np.sort(chosen), logs[np.argsort(chosen)]


def steps_of(model: Model, pattern: str) -> list[np.ndarray]:
    """For each token of a pattern the ids that may stand there, <EOS> at the end for a model of lines."""
    vocabulary = model.vocabulary
    symbols = symbols_in(pattern, vocabulary.level)
    if vocabulary.level == "word":
        blanks = [re.fullmatch(f" ?{BLANK}+", symbol) is not None for symbol in symbols]
        for symbol, blank in zip(symbols, blanks, strict=True):
            if not blank and BLANK in symbol and vocabulary.unknown_in(symbol):
                raise UsageError(f"a blank is a whole word for this model, as in 'the ____ of'; {symbol!r} is none")
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
    """What may stand in a blank: any symbol, or for words any word that has a space before it if the blank has one."""
    ids = np.arange(len(vocabulary))
    if vocabulary.level != "word":
        return ids[UNKNOWN + 1 :]
    space = symbol.startswith(" ")
    fits = [word.startswith(" ") == space and word.strip()[:1].isalnum() for word in vocabulary.symbols]
    return ids[UNKNOWN + 1 :][np.array(fits, bool)]
