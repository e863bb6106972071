"""The lines that tell a person about the file of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..tasks.summary import NAMES, facts, number_of
from ..text.layout import named_values
from ..text.visible import visible

if TYPE_CHECKING:
    from ..model import Model

CHECKPOINT = ": the checkpoint of an unfinished training, with its best model so far"


def info_lines(model: Model, path, size: int, width: int | None = None, kind: str = "model") -> list[str]:
    """The contents of a model file, as a table. size: of the file, in bytes. width: of the terminal, None for a
    pipe. kind: see ``modelfile.file_kind``."""
    file = f"{path}, {number_of(size, 'byte')}{CHECKPOINT if kind == 'checkpoint' else ''}"
    return named_values([("file", visible(file)), *facts(model)], NAMES, width)
