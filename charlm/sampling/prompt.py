"""What a sample begins with: text → ids that are read before the first token is drawn."""

import os
import warnings
from dataclasses import dataclass

from ..errors import SamplingError
from ..model import Model
from ..text.vocabulary import EOS

PRIME = 2048  # tokens of a prime that are read, its last ones


def encode_start(model: Model, text: str, option: str = "the beginning (--start-with)") -> tuple[int, ...]:
    """The ids of a text that is part of each sample. Raises SamplingError where the model cannot draw it."""
    unknown = model.vocabulary.unknown_in(text)
    if unknown:
        raise SamplingError(
            f"the model has never seen {_names(unknown)}, which is in {option}; leave it out, or train on a text that "
            "has it"
        )
    if model.lines and "\n" in text:
        raise SamplingError(f"{option} must be part of one line: this model draws single lines")
    return tuple(model.vocabulary.encode(text).tolist())


def encode_prime(model: Model, text: str) -> tuple[int, ...]:
    """The ids of a text that is read first, its last PRIME. What the model does not know is read as <UNK>."""
    if model.lines and "\n" in text:
        raise SamplingError("--prime must be part of one line: this model draws each line on its own")
    unknown = model.vocabulary.unknown_in(text)
    if unknown:
        warnings.warn(f"the model has never seen {_names(unknown)}, and reads <UNK> in the prime", stacklevel=3)
    return tuple(model.vocabulary.encode(text)[-PRIME:].tolist())


def _names(symbols):
    return ", ".join(map(repr, symbols[:5])) + (", …" if len(symbols) > 5 else "")


def line_of(tokens) -> list[int]:
    """The tokens behind the last line's end."""
    tokens = list(tokens)
    return tokens[len(tokens) - tokens[::-1].index(EOS) :] if EOS in tokens else tokens


def seed_of(seed: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """The seed as several numbers; a new one for None."""
    if seed is None:
        return (int.from_bytes(os.urandom(8)),)
    return (seed,) if isinstance(seed, int) else tuple(seed)


@dataclass(frozen=True)
class Prompt:
    """How chains begin and end. prime, start: ids that are read first, and of these those that belong to the sample;
    length: tokens of a sample of a stream, or the most that a line may have; stop: texts that end a sample."""

    length: int
    prime: tuple[int, ...] = ()
    start: tuple[int, ...] = ()
    stop: tuple[str, ...] = ()
