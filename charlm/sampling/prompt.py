"""Texts that a model reads before it samples: prime and beginning → token ids."""

import os
import warnings
from dataclasses import dataclass

import numpy as np

from ..errors import PromptError
from ..model import Model
from ..text.forms import known_form
from ..text.vocabulary import EOS, UNKNOWN, Vocabulary
from .segmentation import divided

LONGEST_PRIME = 2048  # tokens; of a longer prime, its last tokens are read


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """How candidates begin and end.

    prime: ids that are read first and are no part of a sample; start: ids that each sample begins with; length: the
    tokens of a sample of a stream, or the most that a line may have; stop: texts that end a sample.

    Of subwords: rest: the last characters of prime and beginning, whose tokens depend on what follows, so that neither
    ``prime`` nor ``start`` has them; skipped: how many characters of ``start`` and ``rest`` belong to the prime;
    settled, prime_rest: so many ids of ``prime`` stay whatever follows the prime, and these characters are the others.
    """

    length: int
    prime: tuple[int, ...] = ()
    start: tuple[int, ...] = ()
    stop: tuple[str, ...] = ()
    rest: str = ""
    skipped: int = 0
    settled: int = 0
    prime_rest: str = ""

    @property
    def line(self) -> list[int]:
        """The tokens of the unfinished line at the end of the prompt, those after <UNK>."""
        tokens = line_of([*self.prime, *self.start])
        return tokens[len(tokens) - tokens[::-1].index(UNKNOWN) :] if UNKNOWN in tokens else tokens

    def text_before(self, vocabulary: Vocabulary) -> str:
        """The part of the sample's first line that the prime has."""
        text = vocabulary.decode(line_of(self.prime))
        return text + (vocabulary.decode(self.start) + self.rest)[: self.skipped]


def encode_prompt(
    model: Model, prime: str = "", start: str = "", *, length: int = 0, stop: tuple[str, ...] = ()
) -> Prompt:
    """The prompt of a model's samples. prime, start: the texts, see ``SamplingOptions``; length, stop: see ``Prompt``.

    Raises PromptError where the model cannot sample so.
    """
    prime, start = map(model.vocabulary.inside, (prime, start))
    primed, started = encode_prime(model, prime), encode_start(model, start)
    if model.vocabulary.level != "subword":
        return Prompt(length=length, prime=primed, start=started, stop=stop, settled=len(primed))
    ids, settled, prime_rest = divided(model.vocabulary, prime)
    cut = min(settled, max(0, len(ids) - LONGEST_PRIME))
    ids, stay, rest = divided(model.vocabulary, prime + start)
    stops = np.cumsum(model.vocabulary.widths[ids[:stay]])
    inside = int(np.searchsorted(stops, len(prime), "right"))  # so many of the tokens end within the prime
    return Prompt(
        length=length,
        prime=tuple(ids[cut:inside]),
        start=tuple(ids[inside:stay]),
        stop=stop,
        rest=rest,
        skipped=len(prime) - int(stops[inside - 1] if inside else 0),
        settled=settled - cut,
        prime_rest=prime_rest,
    )


def encode_start(model: Model, text: str, option: str = "the beginning (--start-with)") -> tuple[int, ...]:
    """The ids of a text that is part of each sample. Raises PromptError where the model cannot sample it."""
    unknown = model.vocabulary.unknown_in(text)
    if unknown:
        form = known_form(text, model.vocabulary.unknown_in)
        if form:
            remedy = f"it knows the same text in {form} (Unicode)"
        else:
            remedy = _remedy(model.vocabulary, unknown)
        raise PromptError(f"the model has never seen {_names(unknown)} in {option}; {remedy}")
    if model.lines and "\n" in text:
        raise PromptError(f"{option} must be part of one line: this model samples single lines")
    return tuple(model.vocabulary.encode(text).tolist())


def encode_prime(model: Model, text: str) -> tuple[int, ...]:
    """The ids of a text that is read first, its last LONGEST_PRIME; a symbol that the model does not know is <UNK>."""
    if model.lines and "\n" in text:
        raise PromptError("--prime must be part of one line: this model samples single lines")
    unknown = model.vocabulary.unknown_in(text)
    if unknown:
        warnings.warn(f"the model has never seen {_names(unknown)}, and reads <UNK> in the prime", stacklevel=3)
    return tuple(model.vocabulary.encode(text)[-LONGEST_PRIME:].tolist())


def _remedy(vocabulary, unknown):
    """What to do about symbols that are not in the vocabulary. A word at the start of a line lacks the space that it
    has elsewhere, and so is another token."""
    if vocabulary.level == "word":
        others = [word[1:] if word.startswith(" ") else f" {word}" for word in unknown]
        known = [word for word in others if word and not vocabulary.unknown_in(word)]
        if known:
            return f"it knows {_names(known)}: write it so (a word with a space before it is another token)"
    return "leave it out, or train on a text that has it"


def _names(symbols):
    return ", ".join(map(repr, symbols[:5])) + (", …" if len(symbols) > 5 else "")


def line_of(tokens) -> list[int]:
    """The tokens after the end of the last whole line."""
    tokens = list(tokens)
    return tokens[len(tokens) - tokens[::-1].index(EOS) :] if EOS in tokens else tokens


def seed_of(seed: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """The seed as several integers; a new one for None."""
    if seed is None:
        return (int.from_bytes(os.urandom(8)),)
    return (seed,) if isinstance(seed, int) else tuple(seed)
