"""The cross-entropy of a text under a model, and the figures that follow from it."""

import math
from dataclasses import dataclass, replace

LN2 = math.log(2)  # nats in a bit
PER_NAT = {"nats": 1.0, "bits": 1 / LN2, "log10": 1 / math.log(10)}  # how much of each unit is a nat
BYTE = 8 * LN2  # nats that a byte costs if all bytes are equally likely
RANKS = (1, 5, 10)  # of the top-k accuracies
SPELLED = ("bits_per_character", "bits_per_byte", "perplexity_per_word")  # also with each <UNK> spelled out, in JSON


def exp(x: float) -> float:
    """eˣ, infinite if that is too large for a float."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


@dataclass(frozen=True, kw_only=True)
class Score:
    """How surprising a text is to a model. The fields are sums over the text; all other figures follow from them.

    A model says of an unknown symbol only that it is unknown. All figures count what <UNK> costs and no more, except
    those of ``spelled``.

    tokens: all tokens, each <EOS> and <UNK> included
    unknown_tokens: the <UNK> among them
    nats: -log ŷ summed over all tokens
    unknown_nats: the part of it that <UNK> costs
    unknown_bytes: the bytes (UTF-8) that spell the symbols which are <UNK>, with one more for the end of each word
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
    unknown_bytes: int = 0

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
    def unknown_share(self) -> float:
        """The fraction of the tokens that are <UNK>."""
        return self.unknown_tokens / max(1, self.tokens)

    @property
    def spelled(self) -> "Score":
        """The score of a model that says what each unknown symbol is: after <UNK> it spells the symbol with bytes that
        are all equally likely, at 8 bits each."""
        more = BYTE * self.unknown_bytes
        return replace(self, nats=self.nats + more, unknown_nats=self.unknown_nats + more, unknown_bytes=0)

    @property
    def bits_per_character(self) -> float:
        """The nats of the text in bits, divided by its characters."""
        return self.nats / LN2 / max(1, self.characters)

    @property
    def bits_per_byte(self) -> float:
        """The same divided by its bytes. That of ``spelled`` is the only figure that compares models of different
        levels or vocabularies, on the same text."""
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

    def as_dict(self, unit: str = "nats") -> dict:
        """All figures, for JSON; an infinite figure is None. unit: a key of PER_NAT, "bits" for the keys "bits" and
        "bits_per_token" instead of "nats" and "nats_per_token"."""
        names = (
            "tokens",
            "unknown_tokens",
            "unknown_share",
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
        figures |= {f"{name}_spelled": getattr(self.spelled, name) for name in SPELLED}
        figures |= {f"rank_{rank}_accuracy": accuracy for rank, accuracy in self.accuracies.items()}
        figures = figures_in(unit, figures)
        return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def figures_in(unit: str, figures: dict[str, float]) -> dict[str, float]:
    """Figures by name, with those in nats turned into another unit, a key of PER_NAT. Their names say so."""
    return {
        name.replace("nats", unit, 1): value * PER_NAT[unit] if name.startswith("nats") else value
        for name, value in figures.items()
    }
