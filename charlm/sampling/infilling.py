"""Model + pattern → the blanks filled, sampled from the posterior given the symbols that are given.

The filler reads the pattern from left to right, with many filled prefixes of it in parallel. Each prefix has a weight,
the probability of its tokens. At a blank, every prefix continues in every possible way. While there are at most
``prefixes`` of them, the filler keeps all, and at the end the weights are the exact posterior. If there are more, it
chooses ``prefixes`` of them: heavy ones stay as they are, and some of the light ones are sampled and get equal weights.
The expected value of each weight does not change (the optimal resampling of Fearnhead and Clifford, 2003, for particle
filters over finite sets). The filler never keeps a prefix twice.

A subword may cover several characters of the pattern, given ones and blanks. So prefixes end at different positions,
and those that are furthest behind continue first; where they are chosen, prefixes are compared with those that end at
the same position. A filling has the tokens of its standard segmentation, and a prefix that no such segmentation begins
with is left out as soon as it comes up. The pattern of a stream is filled as if the text ended with it.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..errors import SamplingError, UsageError
from ..model import Model
from ..network.probabilities import log_softmax
from ..network.stepper import NextToken, State, Stepper, take_rows
from ..text.vocabulary import EOS, FOUND_BY, UNKNOWN, as_bytes, code_points, symbols_in
from .beginning import Ends, continued
from .options import BY_NAME
from .prompt import encode_prompt, encode_start, seed_of
from .rules import REASONS, SamplingCounts, described, remedy_for, rules_for
from .samples import Piece, Sample
from .segmentation import are_standard, last_piece, tokens_after
from .settings import SamplingOptions

BLANK = "_"
ANY, NONE, END = -1, -2, -3  # in place of a code point: a blank, what follows a symbol, what follows a pattern
PREFIXES = 1024
CHECKED = 16  # times as many are checked for standard segmentations
CONTINUATIONS = 1 << 22  # the most that are computed at a time
CONFLICTING_OPTIONS = "top_k top_p min_p unknown start_with stop min_length max_length best_of most_likely".split()


@dataclass
class _Prefixes:
    """Filled prefixes of a pattern that end at the same position.

    tokens: the ids of each; ends: of subwords, those of its last piece; nats: their -log ŷ, (n); logs: the logarithms
    of their weights, (n); state: after them, one row for each.
    """

    tokens: list[tuple[int, ...]]
    ends: list[list[int]]
    nats: np.ndarray
    logs: np.ndarray
    state: State = field(default_factory=list)


@dataclass
class _Branches:
    """Prefixes with one token more: of which prefix each comes, its token, its -log ŷ and the logarithm of its weight,
    (n) each."""

    prefixes: _Prefixes
    parents: np.ndarray
    tokens: np.ndarray
    nats: np.ndarray
    logs: np.ndarray


class Filler:
    """Fills a pattern ``count`` times. ``counts`` says at any time how much was sampled and rejected.

    pattern: see ``read_pattern``; every blank is a character (or byte) to be found, and for a model of words or tokens
    a run of blanks is a word or token. The probability of a whole filling is raised to the power
    1 / options.temperature; temperature 0 takes the most likely filling. A rejected filling is not sampled again, and
    with ``options.unique`` none is sampled twice. prefixes: see above; predictor: what predicts the next token, instead
    of the model.
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
        self.prompt = encode_prompt(model, options.prime)
        self.allowed = allowed_tokens(model, model.vocabulary.inside(pattern), self.prompt.rest)
        self.prefixes = max(1, min(prefixes, CONTINUATIONS // len(model.vocabulary)))
        self._by_subwords = model.vocabulary.level == "subword"
        self._places = model.vocabulary.widths if self._by_subwords else np.ones(len(model.vocabulary), np.int32)
        self._most = CHECKED * self.prefixes if self._by_subwords else self.prefixes  # branches that are kept
        self.counts = SamplingCounts(max_tries=options.max_tries, asked=self.count)
        self._predictor = predictor
        self.log_evidence: float | None = None  # see ``posterior``

    def samples(self) -> Iterator[Sample]:
        """The fillings, one after the other. Raises SamplingError where none is left that may be shown."""
        tokens, nats, weights = self.posterior()
        decode, prime = self.model.vocabulary.decode, self.prompt.text_before(self.model.vocabulary)
        while self.counts.found < self.count:
            total = weights.sum()
            if total <= 0:
                self._give_up(len(tokens))
            if self.temperature == 0:
                chosen = int(weights.argmax())
            else:
                chosen = int(np.searchsorted(np.cumsum(weights), self.random.random() * total, "right"))
            self.counts.count_sampled(1)
            ids = list(map(int, tokens[chosen]))
            text = decode(ids)[len(self.prompt.rest) :]
            text = text.removesuffix("\n") if self.model.lines else text
            ((run, copied),) = self.rules.copies_in([text], [prime + text] if self.model.lines else None)
            reason = self._reason(ids, copied)
            if reason or self.rules.unique:
                weights[chosen] = 0
            if reason:
                self.counts.reject(reason)
                self.counts.check()
                continue
            self.counts.end_streak()
            own, _ = tokens_after(self._places, ids, len(self.prompt.rest))
            sample = Sample(
                text=self.model.vocabulary.outside(text),
                log_probability=-float(nats[chosen]),
                tokens=len(own),
                longest_copied_run=run,
                novel=self.rules.is_novel(copied),
            )
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

    def posterior(self) -> tuple[list[tuple[int, ...]], np.ndarray, np.ndarray]:
        """The fillings that were found: the ids of each, their -log ŷ (n), and their weights (n), of sum 1.

        ``log_evidence`` is then the logarithm of the sum of the weights before: at temperature 1 the probability of
        all fillings together, or an unbiased estimate of it.
        """
        predictor = self._predictor or Stepper(
            self.model.architecture, self.model.parameters, mixture=self.model.mixture
        )
        state, _ = predictor.begin(self.prompt.prime)
        nats_of_rest = Ends(predictor, self.model.vocabulary, state, self.prompt.rest).nats_of_rest
        found: _Prefixes | None = _Prefixes([()], [[]], np.zeros(1), np.zeros(1), state)
        branches: dict[int, list[_Branches]] = defaultdict(list)  # by the position at which they end
        for position, allowed in enumerate(self.allowed):
            if position:
                found = self._chosen(branches.pop(position, []), predictor)
            for end, branch in self._branches_of(found, position, allowed) if found else ():
                branches[end].append(branch)
        found = self._chosen(branches[len(self.allowed)])
        if found is None:
            self.log_evidence = -math.inf
            return [], np.zeros(0), np.zeros(0)
        most = found.logs.max()
        weights = np.exp(found.logs - most)
        self.log_evidence = float(most) + math.log(weights.sum()) + nats_of_rest
        return found.tokens, found.nats - nats_of_rest, weights / weights.sum()

    def _branches_of(self, found, position, allowed):
        """(where they end, the branches) of prefixes that end at a position, for each number of places that a token
        takes. allowed: the ids that may be there."""
        power = 1 / self.temperature if self.temperature else 1.0
        step_nats = -log_softmax(found.state[-1].astype(np.float64))
        for places in np.unique(self._places[allowed]).tolist():
            ids = allowed[self._places[allowed] == places]
            nats = step_nats[:, ids]
            chosen, logs = self._reduced((found.logs[:, None] - power * nats).ravel(), self._most)
            parents, nats = chosen // len(ids), (found.nats[:, None] + nats).ravel()[chosen]
            yield position + places, _Branches(found, parents, ids[chosen % len(ids)], nats, logs)

    def _chosen(self, branches, predictor=None):
        """At most ``prefixes`` of the branches that end at one position, with their states if ``predictor`` is given;
        None where none ends there."""
        parts = [(branch.parents, branch.tokens, branch.nats, branch.logs) for branch in branches]
        parents, tokens, nats, logs = map(np.concatenate, zip(*parts, strict=True)) if parts else np.zeros((4, 0), int)
        sources = np.repeat(np.arange(len(branches)), [len(branch.tokens) for branch in branches])
        chosen, logs = self._reduced(logs, self._most)
        ends = [branches[s].prefixes.ends[p] for s, p in zip(sources[chosen], parents[chosen], strict=True)]
        if self._by_subwords:
            vocabulary = self.model.vocabulary
            ends = [[*end, token] for end, token in zip(ends, tokens[chosen].tolist(), strict=True)]
            standard = np.flatnonzero(are_standard(vocabulary, ends, goes_on=predictor is not None))
            kept, logs = self._reduced(logs[standard], self.prefixes)
            chosen = chosen[standard][kept]
            ends = [last_piece(vocabulary, ends[number]) for number in standard[kept]]
        if not len(chosen):
            return None
        sources, parents, tokens = sources[chosen], parents[chosen], tokens[chosen]
        before = (branches[s].prefixes.tokens[p] for s, p in zip(sources, parents, strict=True))
        texts = [(*ids, token) for ids, token in zip(before, tokens.tolist(), strict=True)]
        found = _Prefixes(texts, ends, nats[chosen], logs)
        if predictor:
            rows = (take_rows(branch.prefixes.state, parents[sources == s]) for s, branch in enumerate(branches))
            state = [np.concatenate(arrays) for arrays in zip(*rows, strict=True)]
            found.state = continued(predictor, state, np.arange(len(chosen)), tokens)
        return found

    def _reduced(self, logs, most):
        """At most ``most`` of some weights: (their indices, in order; the logarithms of the weights). logs: (n)."""
        if len(logs) <= most:
            return np.arange(len(logs)), logs
        if self.temperature == 0:
            chosen = np.sort(np.argsort(-logs, kind="stable")[:most])
            return chosen, logs[chosen]
        return resample(logs, most, self.random)


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


def read_pattern(pattern: str) -> tuple[str, np.ndarray]:
    """The text of a pattern, and which of its characters are blanks, bool (characters).

    A backslash before _ makes it a true underscore. Two backslashes before _ are one backslash and a blank, and so on;
    all other backslashes stand for themselves. Raises UsageError where there is no blank.
    """
    text, blanks = "", []
    for part in re.split(rf"(\\*{BLANK})", pattern):
        backslashes = len(part) - 1 if part.endswith(BLANK) else 0
        shown = part[backslashes - backslashes // 2 :]
        text += shown
        blanks += [False] * len(shown)
        if part.endswith(BLANK):
            blanks[-1] = backslashes % 2 == 0
    if not any(blanks):
        raise UsageError(f"--fill needs a pattern with at least one blank ({BLANK}), not {pattern!r}")
    return text, np.array(blanks)


def allowed_tokens(model: Model, pattern: str, rest: str = "") -> list[np.ndarray]:
    """For each place of a pattern the ids that may begin there, <EOS> at the end for a model of lines. A place is a
    token; of subwords, it is a character. rest: what stands before the pattern and belongs to its tokens."""
    vocabulary = model.vocabulary
    text, is_blank = read_pattern(pattern)
    if vocabulary.level == "subword":
        return allowed_subwords(model, rest, text, is_blank)
    symbols = symbols_in(text, vocabulary.level)
    if vocabulary.level in FOUND_BY:
        parts = [is_blank[slice(*found.span())] for found in FOUND_BY[vocabulary.level].finditer(text)]
        blanks = [part[symbol.startswith(" ") :].all() for part, symbol in zip(parts, symbols, strict=True)]
        for symbol, part, blank in zip(symbols, parts, blanks, strict=True):
            if part.any() and not blank and vocabulary.unknown_in(symbol):
                raise UsageError(f"a blank is a whole word for this model, as in 'the ____ of', not {symbol!r}")
    elif vocabulary.level == "byte":
        blanks = np.repeat(is_blank, [len(as_bytes(character)) for character in text]).tolist()
    else:
        blanks = is_blank.tolist()
    allowed = []
    for symbol, blank in zip(symbols, blanks, strict=True):
        if blank:
            ids = ids_for_blank(vocabulary, symbol)
            check_fits(len(ids) > 0)
            allowed.append(ids)
        else:
            given = bytes([symbol]).decode("utf-8", "surrogateescape") if vocabulary.level == "byte" else symbol
            allowed.append(np.array(encode_start(model, given, "--fill")))
    return [*allowed, np.array([EOS])] if model.lines else allowed


def allowed_subwords(model: Model, rest: str, text: str, is_blank: np.ndarray) -> list[np.ndarray]:
    """The same for a model of subwords: the tokens whose characters all fit the pattern, within its end. text,
    is_blank: of the pattern."""
    vocabulary = model.vocabulary
    check_fits(len(vocabulary.symbols) > 0)
    given_text = "".join(character for character, blank in zip(text, is_blank, strict=True) if not blank)
    encode_start(model, given_text, "--fill")
    points = np.concatenate((code_points(rest), code_points(text))).astype(np.int64)
    points[len(rest) :][is_blank] = ANY
    texts = ["\n", "", *vocabulary.symbols]
    letters = np.full((len(texts), max(map(len, texts))), NONE)
    for row, symbol in zip(letters, texts, strict=True):
        row[: len(symbol)] = code_points(symbol)
    points = np.concatenate((points, np.full(letters.shape[1], END)))
    allowed = []
    for place in range(len(rest) + len(text)):
        given = points[place : place + letters.shape[1]]
        fits = (letters == given) | (letters == NONE) | (given == ANY) & (letters != ord("\n"))
        allowed.append(np.flatnonzero(fits.all(1) & (np.arange(len(texts)) != UNKNOWN)))
    return [*allowed, np.array([EOS])] if model.lines else allowed


def check_fits(has_any: bool) -> None:
    if not has_any:
        raise SamplingError("the model's vocabulary has nothing that could fill a blank of --fill")


def ids_for_blank(vocabulary, symbol) -> np.ndarray:
    """The ids that may fill a blank: any symbol; for words, any word, with a space before it if the blank has one."""
    ids = np.arange(len(vocabulary))
    if vocabulary.level != "word":
        return ids[UNKNOWN + 1 :]
    space = symbol.startswith(" ")
    fits = [word.startswith(" ") == space and word.strip()[:1].isalnum() for word in vocabulary.symbols]
    return ids[UNKNOWN + 1 :][np.array(fits, bool)]
