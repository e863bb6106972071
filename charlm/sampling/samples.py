"""What the sampler gives: whole samples, and pieces of a sample that is still being sampled."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..score import exp


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A whole sample, which the rules have accepted.

    log_probability: the logarithm of the probability of its tokens (nats, ≤ 0) under the model's own distribution, at
    temperature 1 and without restrictions, <EOS> included, given the prime; tokens: how many these are. Subwords are
    those of the text's standard segmentation, which ``perplexity`` measures too. A prime that ends inside a token is
    given as a text: from the probability of prime and sample, that of all texts that begin with the prime is divided
    out, and ``tokens`` counts the tokens with characters of the sample.
    longest_copied_run: the most characters in a row that are also in the training text (of those that count, see
    text/novelty.py), 0 if no run is long enough to be found; novel: whether it is no copy, neither of the training text
    nor of the held-out part. Both are None if charlm has no record of the training text. ended: whether it is
    whole; a sample of a stream that has reached its length, and none of the texts of ``stop``, is cut. certain: whether
    it is one of the most likely samples for certain, where these were asked for; None otherwise.
    """

    text: str
    log_probability: float
    tokens: int
    longest_copied_run: int | None = None
    novel: bool | None = None
    ended: bool = True
    certain: bool | None = None

    def with_text(self, change: Callable[[str], str]) -> "Sample":
        """This sample, with its text changed."""
        text = change(self.text)
        return self if text == self.text else replace(self, text=text)

    @property
    def perplexity(self) -> float:
        """exp of the mean of -log ŷ over the tokens."""
        return exp(-self.log_probability / self.tokens)

    def as_dict(self) -> dict:
        """The fields for JSON, where an infinite perplexity is None; "certain" only where it has a value."""
        fields = {
            "text": self.text,
            "log_probability": self.log_probability,
            "tokens": self.tokens,
            "perplexity": self.perplexity if math.isfinite(self.perplexity) else None,
            "longest_copied_run": self.longest_copied_run,
            "novel": self.novel,
            "ended": self.ended,
        }
        return fields if self.certain is None else fields | {"certain": self.certain}


@dataclass(frozen=True)
class Piece:
    """A final part of the text of sample ``number``.

    sample: the whole sample, with its last piece. segments, taken: how many segments it has, and how many of its random
    numbers it took; 0 before the last piece.
    """

    number: int
    text: str
    sample: Sample | None = None
    segments: int = 0
    taken: int = 0
