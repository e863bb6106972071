"""Cross-entropy of a text under a model, and the figures people know it by."""

import math
from dataclasses import dataclass

LN2 = math.log(2)  # nats in a bit
RANKS = (1, 5, 10)


def exp(x: float) -> float:
    """eˣ, infinite where that is too large for a float."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


@dataclass(frozen=True)
class Score:
    """How surprising a text is. The sums it is made of; every other figure follows from them.

    nats: -log ŷ summed over all tokens, each <EOS> and <UNK> included; unknown_nats: the part of it due to <UNK>;
    characters and bytes (UTF-8) of the clean text, line ends included; words: runs of what is no white space; within:
    how many tokens were among the 1, 5, 10 (RANKS) that the model held likeliest, nothing where that was not counted.
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
        return self.nats / max(1, self.tokens)

    @property
    def perplexity(self) -> float:
        """exp of the nats per token."""
        return exp(self.nats_per_token)

    @property
    def perplexity_without_unknowns(self) -> float:
        """The same over the tokens that are not <UNK>."""
        return exp((self.nats - self.unknown_nats) / max(1, self.tokens - self.unknown_tokens))

    @property
    def bits_per_character(self) -> float:
        return self.nats / LN2 / max(1, self.characters)

    @property
    def bits_per_byte(self) -> float:
        """The one figure by which models of different levels or vocabularies can be ranked, on one and the same
        text."""
        return self.nats / LN2 / max(1, self.bytes)

    @property
    def perplexity_per_word(self) -> float:
        """exp of the nats per word, each line's end counted as a word, whatever the tokens of the model are."""
        return exp(self.nats / max(1, self.words + self.lines))

    @property
    def accuracies(self) -> dict[int, float]:
        """rank → the share of the tokens that were among so many likeliest."""
        return {rank: number / max(1, self.tokens) for rank, number in zip(RANKS, self.within, strict=False)}

    def as_dict(self) -> dict:
        """All figures, for JSON; an infinite one is None there."""
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
        figures |= {f"rank_{rank}_accuracy": share for rank, share in self.accuracies.items()}
        return {name: value if math.isfinite(value) else None for name, value in figures.items()}
