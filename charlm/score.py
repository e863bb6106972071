"""The cross-entropy of a text under a model, and the figures that follow from it."""

import math
from dataclasses import dataclass

LN2 = math.log(2)  # nats in a bit
RANKS = (1, 5, 10)  # of the top-k accuracies


def exp(x: float) -> float:
    """eˣ, infinite if that is too large for a float."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


@dataclass(frozen=True, kw_only=True)
class Score:
    """How surprising a text is to a model. The fields are sums over the text; all other figures follow from them.

    tokens: all tokens, each <EOS> and <UNK> included
    unknown_tokens: the <UNK> among them
    nats: -log ŷ summed over all tokens
    unknown_nats: the part of it that <UNK> costs
    characters, bytes: of the text in UTF-8, with its line ends
    lines: the number of line ends; a model of lines skips blank lines, and they count nowhere
    words: the runs of characters that are not white space
    within: the number of tokens among the 1, 5 and 10 (RANKS) most likely ones; () if nobody counted them
    """

    tokens: int
    unknown_tokens: int
    nats: float
    unknown_nats: float
    characters: int
    bytes: int
    lines: int
    words: int
    within: tuple[int, ...] = ()

    @property
    def nats_per_token(self) -> float:
        """The mean cross-entropy of a token."""
        return self.nats / max(1, self.tokens)

    @property
    def perplexity(self) -> float:
        """exp of the nats per token."""
        return exp(self.nats_per_token)

    @property
    def perplexity_without_unknowns(self) -> float:
        """The perplexity of the tokens that are not <UNK>."""
        return exp((self.nats - self.unknown_nats) / max(1, self.tokens - self.unknown_tokens))

    @property
    def bits_per_character(self) -> float:
        """The nats of the text in bits, divided by its characters."""
        return self.nats / LN2 / max(1, self.characters)

    @property
    def bits_per_byte(self) -> float:
        """The same divided by its bytes: the only figure that compares models of different levels or vocabularies, on
        the same text."""
        return self.nats / LN2 / max(1, self.bytes)

    @property
    def perplexity_per_word(self) -> float:
        """exp of the nats per word, whatever the tokens of the model are; each line end counts as a word."""
        return exp(self.nats / max(1, self.words + self.lines))

    @property
    def accuracies(self) -> dict[int, float]:
        """k → the top-k accuracy: the fraction of the tokens that were among the k most likely ones. Empty if nobody
        counted them."""
        return {rank: number / max(1, self.tokens) for rank, number in zip(RANKS, self.within, strict=False)}

    def as_dict(self) -> dict:
        """All figures, for JSON; an infinite figure is None."""
        names = (
            "tokens",
            "unknown_tokens",
            "nats",
            "nats_per_token",
            "perplexity",
            "perplexity_without_unknowns",
            "bits_per_character",
            "bits_per_byte",
            "perplexity_per_word",
            "characters",
            "bytes",
            "lines",
            "words",
        )
        figures = {name: getattr(self, name) for name in names}
        figures |= {f"rank_{rank}_accuracy": accuracy for rank, accuracy in self.accuracies.items()}
        return {name: value if math.isfinite(value) else None for name, value in figures.items()}
