"""The options of sampling, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..options import Path
from .options import BY_NAME, MOST_TRIES

if TYPE_CHECKING:
    from ..text.novelty import Novelty


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How samples are made, and which of them are shown. Raises UsageError where a value cannot be.

    temperature, top_k, top_p, min_p: how the next token is sampled, see ``Decoding``. unknown: "reject" rejects samples
    with <UNK>; "mask" sets its probability to 0 at each step. prime: a text that the model reads before each sample;
    start_with: the text that each sample begins with. stop: a text, or several, after which a sample ends (kept as a
    tuple). min_length, max_length: characters that a sample must have, None for no limit. unique: reject samples that
    were shown before. best_of: so many candidates are sampled for each sample, and the most likely one is shown.
    most_likely: so many of the most likely samples are searched for, instead of sampling.
    max_copied: characters of the longest run of the training text that a sample may hold, None for the default;
    allow_copies: show copies too; corpus: text files, or a ``Novelty``, in which copies are searched, instead of the
    model's own record; encoding: of these files. max_tries: rejections in a row after which sampling ends with
    SamplingError. fill: a pattern whose blanks are filled. seed: an integer or several, None for a new one. given: a
    label, for a model of --task generate.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    unknown: str = "reject"
    prime: str = ""
    start_with: str = ""
    stop: str | Sequence[str] = ()
    min_length: int = 0
    max_length: int | None = None
    unique: bool = False
    best_of: int = 1
    most_likely: int | None = None
    max_copied: int | None = None
    allow_copies: bool = False
    corpus: Path | Sequence[Path] | Novelty | None = None
    encoding: str = "utf-8"
    max_tries: int = MOST_TRIES
    fill: str | None = None
    seed: int | Sequence[int] | None = None
    given: str | None = None

    def __post_init__(self):
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if not hasattr(value, "contains_lines"):  # which a Novelty has
                object.__setattr__(self, name, BY_NAME[name].check(value))
        object.__setattr__(self, "stop", (self.stop,) if isinstance(self.stop, str) and self.stop else tuple(self.stop))
        if "" in self.stop:
            raise UsageError("--stop must be a text of at least one character")
        if self.max_length is not None and self.max_length < self.min_length:
            raise UsageError(f"--max-length must be at least {self.min_length} here, not {self.max_length}")
        if self.max_copied is not None and self.allow_copies:
            raise UsageError("--max-copied and --allow-copies do not go together")

    @property
    def limits_length(self) -> bool:
        """Whether samples are rejected for the number of their characters."""
        return self.min_length > 0 or self.max_length is not None
