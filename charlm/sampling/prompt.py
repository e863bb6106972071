"""Texts that a model reads before it samples: prime and beginning → token ids."""

import os
import warnings
from dataclasses import dataclass

from ..errors import PromptError
from ..model import Model
from ..text.vocabulary import EOS

LONGEST_PRIME = 2048  # tokens; of a longer prime, its last tokens are read


@dataclass(frozen=True)
class Prompt:
    """How candidates begin and end.

    prime: ids that are read first and are no part of a sample; start: ids that each sample begins with; length: the
    tokens of a sample of a stream, or the most that a line may have; stop: texts that end a sample.
    """

    length: int
    prime: tuple[int, ...] = ()
    start: tuple[int, ...] = ()
    stop: tuple[str, ...] = ()

    @property
    def line(self) -> list[int]:
        """The tokens of the unfinished line at the end of the prompt."""
        return line_of([*self.prime, *self.start])


def encode_start(model: Model, text: str, option: str = "the beginning (--start-with)") -> tuple[int, ...]:
    """The ids of a text that is part of each sample. Raises PromptError where the model cannot sample it."""
    unknown = model.vocabulary.unknown_in(text)
    if unknown:
        raise PromptError(
            f"the model has never seen {_names(unknown)} in {option}; leave it out, or train on a text that has it"
        )
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
