"""Model + pattern → the blanks filled, sampled from the posterior given the symbols that are given.

The filler reads the pattern from left to right, with many filled prefixes of it in parallel. Each prefix has a weight,
the probability of its tokens. At a blank, every prefix continues in every possible way. While there are at most
``prefixes`` of them, the filler keeps all, and at the end the weights are the exact posterior. If there are more, it
chooses ``prefixes`` of them: heavy ones stay as they are, and some of the light ones are sampled and get equal weights.
The expected value of each weight does not change (the optimal resampling of Fearnhead and Clifford, 2003, for particle
filters over finite sets). The filler never keeps a prefix twice.
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
from .options import BY_NAME
from .prompt import encode_prime, encode_start, line_of, seed_of
from .rules import REASONS, SamplingCounts, described, remedy_for, rules_for
from .samples import Piece, Sample
from .settings import SamplingOptions

BLANK = "_"
PREFIXES = 1024
CONTINUATIONS = 1 << 22  # the most that are computed at a time
CONFLICTING_OPTIONS = "top_k top_p min_p unknown start_with stop min_length max_length best_of".split()


class Filler:
    """Fills a pattern ``count`` times. ``counts`` says at any time how much was sampled and rejected.

    pattern: every _ is a character (or byte) to be found; for a model of words, a run of _ is a word. The probability
    of a whole filling is raised to the power 1 / options.temperature; temperature 0 takes the most likely filling.
    A rejected filling is not sampled again, and with ``options.unique`` none is sampled twice. prefixes: see above;
    predictor: what predicts the next token, instead of the model.
    """

    def __init__(
        self,
        model: Model,
        pattern: str,
        count: int = 1,
        options: SamplingOptions | None = None,
        *,
        prefixes: int = PREFIXES,
        predictor: NextToken | None = None,
    ):
        options = options or SamplingOptions()
        check_goes_with_fill(options)
        self.model, self.count, self.temperature = model, BY_NAME["count"].check(count), options.temperature
        self.rules, self.random = rules_for(model, options), np.random.default_rng(seed_of(options.seed))
        self.prime = encode_prime(model, options.prime)
        self.allowed = allowed_tokens(model, pattern)
        self.prefixes = max(1, min(prefixes, CONTINUATIONS // len(model.vocabulary)))
        self.counts = SamplingCounts(max_tries=options.max_tries, asked=self.count)
        self._predictor = predictor
        self.log_evidence: float | None = None  # see ``posterior``

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
            ((run, copied),) = self.rules.copies_in([text], [prime + text] if self.model.lines else None)
            reason = self._reason(ids, copied)
            if reason or self.rules.unique:
                weights[chosen] = 0
            if reason:
                self.counts.reject(reason)
                self.counts.check()
                continue
            self.counts.end_streak()
            sample = Sample(text, -float(nats[chosen]), len(ids), run, self.rules.is_novel(copied))
            self.counts.count_shown(sample)
            yield sample

    def pieces(self) -> Iterator[Piece]:
        """The same, as ``Sampler`` gives them."""
        for number, sample in enumerate(self.samples()):
            yield Piece(number, sample.text, sample)

    def _reason(self, ids, copied):
        """The reason to reject a filling, a name of REASONS; None if there is none."""
        vocabulary = self.model.vocabulary
        if vocabulary.level == "word" and vocabulary.encode(vocabulary.decode(ids)).tolist() != ids:
            return "no_text"
        return None if self.rules.allow_copies else copied

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
        predictor = self._predictor or Stepper(
            self.model.architecture, self.model.parameters, mixture=self.model.mixture
        )
        power = 1 / self.temperature if self.temperature else 1.0
        state, _ = predictor.begin(self.prime)
        tokens, nats, logs, log_evidence = np.zeros((1, 0), np.int64), np.zeros(1), np.zeros(1), 0.0
        for allowed in self.allowed:
            step_nats = -log_softmax(state[-1].astype(np.float64))[:, allowed]
            continuations = (logs[:, None] - power * step_nats).ravel()
            all_nats = (nats[:, None] + step_nats).ravel()
            if len(continuations) <= self.prefixes:
                chosen, logs = np.arange(len(continuations)), continuations
            elif self.temperature == 0:
                chosen = np.sort(np.argsort(-continuations, kind="stable")[: self.prefixes])
                logs = continuations[chosen]
            else:
                chosen, logs = resample(continuations, self.prefixes, self.random)
            log_evidence += logs.max()
            logs, nats = logs - logs.max(), all_nats[chosen]
            parents, last = chosen // len(allowed), allowed[chosen % len(allowed)]
            tokens = np.column_stack((tokens[parents], last))
            state = self._continued(predictor, state, parents, last)
        weights = np.exp(logs)
        self.log_evidence = log_evidence + math.log(weights.sum())
        return tokens, nats, weights / weights.sum()

    @staticmethod
    def _continued(predictor, state, parents, tokens):
        """The state of each prefix: the state of its parent after one more token."""
        padding = (0, predictor.rows_for(len(tokens)) - len(tokens))
        state = predictor.step(take_rows(state, np.pad(parents, padding)), np.pad(tokens, padding))
        return take_rows(state, slice(len(tokens)))


def check_goes_with_fill(options: SamplingOptions) -> None:
    """Raise UsageError where an option has no meaning for a pattern."""
    defaults = SamplingOptions()
    for name in CONFLICTING_OPTIONS:
        if getattr(options, name) != getattr(defaults, name):
            raise UsageError(f"--fill and --{name.replace('_', '-')} do not go together")


def resample(logs: np.ndarray, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Choose at most ``count`` of n weights so that the expected value of each does not change: (their
    indices, in order; the logarithms of the weights).

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


def allowed_tokens(model: Model, pattern: str) -> list[np.ndarray]:
    """For each token of a pattern the ids that may be there, <EOS> at the end for a model of lines."""
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
    allowed = []
    for symbol, blank in zip(symbols, blanks, strict=True):
        if blank:
            ids = ids_for_blank(vocabulary, symbol)
            if not len(ids):
                raise SamplingError("the model's vocabulary has nothing that could fill a blank of --fill")
            allowed.append(ids)
        else:
            text = bytes([symbol]).decode("utf-8", "surrogateescape") if vocabulary.level == "byte" else symbol
            allowed.append(np.array(encode_start(model, text, "--fill")))
    return [*allowed, np.array([EOS])] if model.lines else allowed


def ids_for_blank(vocabulary, symbol) -> np.ndarray:
    """The ids that may fill a blank: any symbol; for words, any word, with a space before it if the blank has one."""
    ids = np.arange(len(vocabulary))
    if vocabulary.level != "word":
        return ids[UNKNOWN + 1 :]
    space = symbol.startswith(" ")
    fits = [word.startswith(" ") == space and word.strip()[:1].isalnum() for word in vocabulary.symbols]
    return ids[UNKNOWN + 1 :][np.array(fits, bool)]
