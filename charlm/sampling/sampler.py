"""Model → new text.

A model of lines begins each sample at the zero state and ends it with <EOS>; a stream model goes on for ``length``
tokens. Each sample is drawn with random numbers of its own, so that it is the same however many are asked for.
Samples are let out in order; of a stream the first one that is not whole is let out as it grows.
"""

import os
from collections.abc import Iterator

import numpy as np

from ..errors import SamplingError, UsageError
from ..model import Model
from .acceptance import MOST_TRIES, Known, Piece, Rules, Sample, SamplingCounts, rules_for
from .candidates import Candidate, Candidates
from .decoding import Decoding
from .infilling import Filler
from .prompt import Prompt, encode_prime, encode_start, seed_of
from .random_streams import bits_at, key_of

LONGEST_LINE = 1000
STREAM_LENGTH = 500
KEYS = 256  # of samples, made at a time
UNKNOWNS = ("reject", "mask")


class Sampler:
    """Draws ``count`` samples. ``tally`` says at any time what was drawn and refused.

    length: tokens of a sample of a stream, or the most that a line may have (longer ones are refused); None for the
    default. prime: what is read before each sample and is no part of it; start_with: how each sample begins; stop:
    a text, or several, with which a sample ends; best_of: of so many candidates the likeliest is taken; max_tries: how
    many may be refused in a row; seed: a number or several.
    """

    def __init__(
        self,
        model: Model,
        count: int = 1,
        length: int | None = None,
        choice: Decoding | None = None,
        rules: Rules | None = None,
        *,
        prime: str = "",
        start_with: str = "",
        stop: str | tuple[str, ...] = (),
        best_of: int = 1,
        max_tries: int = MOST_TRIES,
        seed: int | tuple[int, ...] | None = None,
    ):
        choice, rules = choice or Decoding(), rules or rules_for(model)
        length = length if length is not None else LONGEST_LINE if model.lines else STREAM_LENGTH
        stop = (stop,) if isinstance(stop, str) else tuple(stop)
        for name, value in (("count", count), ("length", length), ("best-of", best_of), ("max-tries", max_tries)):
            if value < 1:
                raise UsageError(f"--{name} must be at least 1, not {value}")
        if "" in stop:
            raise UsageError("--stop must be a text of at least one character")
        if rules.sized and not model.lines and not stop:
            raise UsageError(
                "--min-length and --max-length need --stop here: this model draws a stream of --length tokens"
            )
        start = encode_start(model, start_with)
        if len(start) >= length:
            raise SamplingError(
                f"the beginning (--start-with) has {len(start)} tokens; --length must be more than that, not {length}"
            )
        frame = Prompt(length, encode_prime(model, prime), start, stop)
        self.count, self.best_of, self.rules, self.seed = count, best_of, rules, seed_of(seed)
        self.tally = SamplingCounts(max_tries, choice.is_certain, asked=count)
        self._grows = not model.lines and best_of == 1 and not rules.unique and not rules.sized
        self._open: dict[int, Candidate] = {}  # the candidates that were begun and not let out, by number
        self._chains = Candidates(model, choice, rules, frame, self.tally, self._candidates())
        self._seen: set[str] = set()  # the texts of all candidates that were whole
        self._shown: set[str] = set()  # of all samples let out

    def _candidates(self):
        key, count = key_of(self.seed), self.count * self.best_of
        for first in range(0, count, KEYS):
            numbers = np.arange(first, min(first + KEYS, count), dtype=np.uint64)
            yield from zip(numbers.tolist(), bits_at(key, numbers).tolist(), strict=True)

    def samples(self) -> Iterator[Sample]:
        """The samples, in order, each when it is whole."""
        for piece in self.pieces():
            if piece.sample is not None:
                yield piece.sample

    def pieces(self) -> Iterator[Piece]:
        """The samples as they settle, in order: whole ones for a model of lines, line by line for a stream.

        Raises SamplingError, after what was found, where too many were refused in a row.
        """
        number = 0
        try:
            while number < self.count:
                settled = self._chains.advance()
                for chain in settled:
                    self._open[chain.number] = chain
                    if chain.sample is not None and chain.sample.text not in self._seen:
                        self.tally.succeed()
                        if self.rules.unique:
                            self._seen.add(chain.sample.text)
                while settled and number < self.count and (piece := self._next_piece(number)):
                    yield piece
                    if piece.sample is not None:
                        number += 1
        except SamplingError:
            yield from self._rest(number)
            raise SamplingError(self.tally.why_given_up()) from None

    def _next_piece(self, number):
        """What can be let out of a sample, or None."""
        chains = self._chains_of(number)
        if self._grows:
            (chain,) = chains
            return self._piece(number, chain) if chain and chain.pieces else None
        if not are_whole(chains):
            return None
        new = self._new_of(chains)
        for chain in chains if not new else ():
            del self._open[chain.number]
            self._chains.redraw(chain)
            self.tally.refuse("repeated", chain.units)
        return self._best(number, chains, new) if new else None

    def _rest(self, number):
        """The samples that were whole already when one before them failed."""
        for later in range(number, self.count):
            chains = self._chains_of(later)
            if are_whole(chains) and (new := self._new_of(chains)):
                yield self._best(later, chains, new)

    def _chains_of(self, number):
        return [self._open.get(number * self.best_of + candidate) for candidate in range(self.best_of)]

    def _new_of(self, chains):
        return [chain for chain in chains if chain.sample.text not in self._shown]

    def _best(self, number, chains, new):
        best = max(new, key=lambda chain: chain.sample.log_probability)
        for chain in chains:
            del self._open[chain.number]
            if chain is not best:
                self.tally.refusals["less_likely" if chain in new else "repeated"] += chain.units
        return self._piece(number, best)

    def _piece(self, number, chain):
        text, chain.pieces = "".join(chain.pieces), []
        if chain.sample is not None:
            self._open.pop(chain.number, None)
            self.tally.show(chain.sample)
            if self.rules.unique:
                self._shown.add(chain.sample.text)
        return Piece(number, text, chain.sample)


def are_whole(chains: list[Candidate | None]) -> bool:
    return all(chain is not None and chain.sample is not None for chain in chains)


def new_sampler(
    model: Model,
    count: int = 1,
    length: int | None = None,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    unknown: str = "reject",
    prime: str = "",
    start_with: str = "",
    stop: str | tuple[str, ...] = (),
    min_length: int = 0,
    max_length: int | None = None,
    unique: bool = False,
    best_of: int = 1,
    max_copied: int | None = None,
    allow_copies: bool = False,
    corpus=None,
    encoding: str = "utf-8",
    max_tries: int = MOST_TRIES,
    fill: str | None = None,
    seed: int | tuple[int, ...] | None = None,
    given: str | None = None,
) -> Sampler | Filler:
    """What draws samples with the settings of ``charlm sample``, whose help tells what each of them does.

    corpus: a file's name or several, or what ``known_from`` made of them.
    """
    model = model.given(given)
    if unknown not in UNKNOWNS:
        raise UsageError(f"--unknown must be one of {', '.join(UNKNOWNS)}, not {unknown!r}")
    choice = Decoding(temperature, top_k, top_p, min_p, unknown == "mask")
    if isinstance(corpus, (str, os.PathLike, list, tuple)):
        corpus = known_from(model, corpus, encoding, max_copied)
    rules = rules_for(
        model,
        min_length=min_length,
        max_length=max_length,
        unique=unique,
        max_copied=max_copied,
        allow_copies=allow_copies,
        known=corpus,
    )
    if fill is None:
        return Sampler(
            model,
            count,
            length,
            choice,
            rules,
            prime=prime,
            start_with=start_with,
            stop=stop,
            best_of=best_of,
            max_tries=max_tries,
            seed=seed,
        )
    others = {
        "--length": length is not None,
        "--top-k": top_k != 0,
        "--top-p": top_p != 1,
        "--min-p": min_p != 0,
        "--unknown": unknown != "reject",
        "--start-with": start_with != "",
        "--stop": bool(stop),
        "--min-length": min_length != 0,
        "--max-length": max_length is not None,
        "--best-of": best_of != 1,
    }
    for name, given in others.items():
        if given:
            raise UsageError(f"--fill and {name} do not go together")
    return Filler(model, fill, count, temperature, rules, prime=prime, max_tries=max_tries, seed=seed)


def known_from(model: Model, paths, encoding: str = "utf-8", max_copied: int | None = None) -> Known:
    """What knows a text without a mistake: the text itself, read from files; with runs of more than ``max_copied``."""
    from ..text.novelty import RUN, ExactNovelty
    from ..text.reading import read_text

    paths = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    run = RUN if max_copied is None else max(1, min(RUN, max_copied + 1))
    return ExactNovelty(read_text(paths, model.vocabulary.level, encoding), run)
