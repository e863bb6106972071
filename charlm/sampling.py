"""Model + temperature → new text.

The next token is drawn from softmax(logits / temperature), restricted by top-k and top-p, and fed back. A model of
lines begins each sample at the zero state and ends it with <EOS>; a stream model goes on for ``length`` tokens.

What holds <UNK> is refused whole and drawn anew. This keeps the model's own distribution given that there is no
<UNK>, which setting the probability of <UNK> to zero at each step would not: that would favour beginnings which lead
to <UNK>. Whole means the sample for a model of lines, and the line for a stream (or UNIT tokens of it, for a text
that has no line ends).

Many samples are drawn side by side, with the plain NumPy network, so that nothing has to be compiled or loaded.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from .errors import SamplingError, UsageError
from .model import Model
from .reference import Reference, log_softmax
from .vocabulary import EOS, UNKNOWN

SIDE_BY_SIDE = 64
UNIT = 200  # tokens of a stream after which they count as settled even though the line has not ended
LONGEST_LINE = 1000
STREAM_LENGTH = 500
MOST_TRIES = 1000  # refusals in a row of one sample or line before it is given up


@dataclass(frozen=True)
class Sample:
    """One sequence. log_probability: log of the probability of all its tokens (nats, ≤ 0) under the model itself, at
    temperature 1 and with nothing cut off, ``prime`` and <EOS> included; tokens: how many these are."""

    text: str
    log_probability: float
    tokens: int

    def as_dict(self) -> dict:
        return {"text": self.text, "log_probability": self.log_probability, "tokens": self.tokens}


@dataclass(frozen=True)
class Piece:
    """Some settled text of sample number ``number``, and the whole sample with its last piece."""

    number: int
    text: str
    sample: Sample | None = None


@dataclass
class Tally:
    """What was drawn and refused: samples for a model of lines, lines for a stream."""

    drawn: int = 0
    unknown: int = 0
    empty: int = 0
    too_long: int = 0

    @property
    def refused(self) -> int:
        return self.unknown + self.empty + self.too_long


@dataclass(frozen=True)
class Choice:
    """How the next token is drawn. temperature 0: the most likely one; top_k 0 and top_p 1: no restriction."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self):
        if not (0 <= self.temperature < math.inf):
            raise UsageError(
                f"--temperature must be a number from 0 (the most likely token) up, not {self.temperature}"
            )
        if self.top_k < 0:
            raise UsageError(f"--top-k must be at least 1, or 0 for all tokens, not {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"--top-p must be above 0 and at most 1, not {self.top_p}")

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """float64 (N, V): the distribution that the next token is drawn from."""
        logits = logits.astype(np.float64)
        if self.temperature == 0:
            return np.eye(logits.shape[1])[logits.argmax(1)]
        scaled = (logits - logits.max(1, keepdims=True)) / max(self.temperature, 1e-300)
        powers = np.exp(np.maximum(scaled, -745))
        if 0 < self.top_k < logits.shape[1]:
            order = np.argsort(-logits, axis=1, kind="stable")[:, : self.top_k]
            kept = np.zeros_like(powers)
            np.put_along_axis(kept, order, np.take_along_axis(powers, order, 1), 1)
            powers = kept
        powers /= powers.sum(1, keepdims=True)
        if self.top_p < 1:  # the fewest tokens whose probabilities reach top_p
            order = np.argsort(-powers, axis=1, kind="stable")
            sorted_powers = np.take_along_axis(powers, order, 1)
            before = np.cumsum(sorted_powers, axis=1) - sorted_powers
            np.put_along_axis(powers, order, np.where(before < self.top_p, sorted_powers, 0), 1)
            powers /= powers.sum(1, keepdims=True)
        return powers

    def draw(self, logits: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """One token for each row, (N)."""
        sums = np.cumsum(self.probabilities(logits), axis=1)
        points = random.random(len(sums))[:, None] * sums[:, -1:]
        return np.minimum((sums <= points).sum(1), logits.shape[1] - 1)


@dataclass
class _Chain:
    """A row of the batch: which sample it draws, what of it is settled, and the unit that may yet be refused."""

    number: int
    settled: list[int]
    settled_nats: float
    unit: list[int] = field(default_factory=list)
    unit_nats: float = 0.0
    tries: int = 0


class Sampler:
    """Draws ``count`` sequences. ``tally`` says at any time what was drawn and refused.

    length: tokens of a sample of a stream, or the most that a line may have (longer ones are refused); None for the
    default.
    """

    def __init__(
        self,
        model: Model,
        count: int = 1,
        length: int | None = None,
        choice: Choice | None = None,
        prime: str = "",
        seed: int | None = None,
    ):
        self.model, self.choice, self.count = model, choice or Choice(), count
        self.length = length if length is not None else LONGEST_LINE if model.lines else STREAM_LENGTH
        if count < 1:
            raise UsageError(f"--count must be at least 1, not {count}")
        if self.length < 1:
            raise UsageError(f"--length must be at least 1, not {length}")
        self.random = np.random.default_rng(seed)
        self.tally = Tally()
        self.prime = self._encode_prime(prime)
        self.network = Reference(model.architecture, model.parameters)

    def _encode_prime(self, prime):
        vocabulary = self.model.vocabulary
        unknown = vocabulary.unknown_in(prime)
        if unknown:
            names = ", ".join(map(repr, unknown[:5])) + (", …" if len(unknown) > 5 else "")
            raise SamplingError(
                f"the model has never seen {names}, which is in --prime; leave it out, or train on a text that has it"
            )
        if self.model.lines and "\n" in prime:
            raise SamplingError("--prime must be part of one line: this model draws single lines")
        ids = vocabulary.encode(prime).tolist()
        if len(ids) >= self.length:
            raise SamplingError(f"--prime has {len(ids)} tokens; --length must be more than that, not {self.length}")
        return ids

    def pieces(self) -> Iterator[Piece]:
        """The samples as they settle, in order: whole ones for a model of lines, line by line for a stream.

        Raises SamplingError where one sample (or line) was refused MOST_TRIES times in a row.
        """
        self._begin()
        shown = 0  # the sample whose pieces are let out as they come; those of later ones wait
        while self._chains:
            tokens, nats = self._draw()
            ended = [row for row in range(len(tokens)) if self._follow(row, int(tokens[row]), float(nats[row]))]
            if ended:
                self._chains = [chain for row, chain in enumerate(self._chains) if row not in ended]
                self._now, self._settled = (
                    [np.delete(array, ended, axis=0) for array in arrays] for arrays in (self._now, self._settled)
                )
            while shown in self._waiting:
                ready = self._waiting.pop(shown)
                yield from ready
                if ready[-1].sample is None:
                    break
                shown += 1

    def _begin(self):
        """Read the prime once and start as many rows from there as are drawn side by side."""
        self.network.reset(1)
        logits, self._prime_nats = self.network.step(np.array([EOS])), 0.0
        for token in self.prime:
            self._prime_nats -= float(log_softmax(logits[0].astype(np.float64))[token])
            logits = self.network.step(np.array([token]))
        self._start = [*(array for layer in self.network.state for array in layer), logits]
        rows = min(self.count, SIDE_BY_SIDE)
        self._chains = [self._new_chain(number) for number in range(rows)]
        self._begun = rows
        # each row's states and logits after its last token, and where its last unit was settled
        self._now = [np.repeat(array, rows, axis=0) for array in self._start]
        self._settled = [array.copy() for array in self._now]
        self._waiting: dict[int, list[Piece]] = {}

    def _new_chain(self, number):
        return _Chain(number, list(self.prime), self._prime_nats)

    def _draw(self):
        """One token for each row and its nats under the model itself; states and logits move on."""
        logits = self._now[-1]
        tokens = self.choice.draw(logits, self.random)
        nats = -np.take_along_axis(log_softmax(logits.astype(np.float64)), tokens[:, None], 1)[:, 0]
        self.network.state = [tuple(self._now[i : i + 2]) for i in range(0, len(self._now) - 1, 2)]
        logits = self.network.step(tokens)
        self._now = [*(array for layer in self.network.state for array in layer), logits]
        return tokens, nats

    def _follow(self, row, token, nats):
        """Take a row one token further; whether it has come to its end and no sample is left to begin in its place."""
        chain = self._chains[row]
        chain.unit.append(token)
        chain.unit_nats += nats
        verdict = self._judge(chain, token)
        if verdict is None:
            return False
        self.tally.drawn += 1
        if verdict != "settled":
            self._refuse(chain, verdict)
            _copy_row(row, self._settled, self._now)
            return False
        piece = self._settle(chain)
        self._waiting.setdefault(chain.number, []).append(piece)
        if piece.sample is None:
            _copy_row(row, self._now, self._settled)
            return False
        if self._begun == self.count:
            return True
        self._chains[row] = self._new_chain(self._begun)
        self._begun += 1
        for target, other, start in zip(self._now, self._settled, self._start, strict=True):
            target[row] = other[row] = start[0]
        return False

    def _judge(self, chain, token):
        """None while the unit goes on, "settled" when it may be shown, else why not."""
        length = len(chain.settled) + len(chain.unit)
        if token == UNKNOWN:
            return "unknown"
        if self.model.lines:
            if token == EOS:
                return "settled" if length > 1 else "empty"
            return "too_long" if length >= self.length else None
        return "settled" if token == EOS or length >= self.length or len(chain.unit) >= UNIT else None

    def _refuse(self, chain, verdict):
        setattr(self.tally, verdict, getattr(self.tally, verdict) + 1)
        chain.unit, chain.unit_nats, chain.tries = [], 0.0, chain.tries + 1
        limit = 1 if self.choice.temperature == 0 or self.choice.top_k == 1 else MOST_TRIES
        if chain.tries >= limit:
            reason, remedy = {
                "unknown": (
                    "it held <UNK>",
                    "train with a smaller --min-count or a larger --max-vocabulary, or use --level byte",
                ),
                "empty": ("it was empty", "raise --temperature or give a --prime"),
                "too_long": (f"it did not end within {self.length} tokens", "raise --length, or lower --temperature"),
            }[verdict]
            times = f"{chain.tries} times in a row" if chain.tries > 1 else "and nothing else can be drawn"
            raise SamplingError(f"sample {chain.number + 1} was refused {times}, at last because {reason}: {remedy}")

    def _settle(self, chain):
        decode, first = self.model.vocabulary.decode, chain.settled == self.prime
        unit, chain.settled = chain.unit, chain.settled + chain.unit
        chain.settled_nats += chain.unit_nats
        chain.unit, chain.unit_nats, chain.tries = [], 0.0, 0
        text = decode(chain.settled if first else unit)
        if self.model.lines:
            text = text.removesuffix("\n")
        if not self.model.lines and len(chain.settled) < self.length:
            return Piece(chain.number, text)
        whole = text if self.model.lines else decode(chain.settled)
        return Piece(chain.number, text, Sample(whole, -chain.settled_nats, len(chain.settled)))

    def samples(self) -> Iterator[Sample]:
        """The samples, in order, each when it is whole."""
        for piece in self.pieces():
            if piece.sample is not None:
                yield piece.sample


def _copy_row(row, sources, targets):
    for source, target in zip(sources, targets, strict=True):
        target[row] = source[row]


def sample(
    model: Model,
    count: int = 1,
    length: int | None = None,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    prime: str = "",
    seed: int | None = None,
) -> Iterator[Sample]:
    """New sequences of a model, one after the other as they are drawn; see ``Sampler``."""
    return Sampler(model, count, length, Choice(temperature, top_k, top_p), prime, seed).samples()
