"""charlm info: what a model file contains."""

import json
import os
from os import PathLike

import click

from ..errors import UsageError
from ..options import JSON, MODEL, Option
from ..text.layout import terminal_width
from .options import FILE, command
from .signals import end_with_the_reader


@command(
    [Option("model_path", PathLike, MODEL.help, metavar="FILE", flag="--model", short="-m"), JSON],
    arguments=[click.Argument(["bare_path"], type=FILE, metavar="[MODEL]", required=False)],
    examples=("charlm info m.npz", "charlm info -m m.npz --json"),
)
def info(model_path, bare_path, as_json):
    """Show what a model file contains: the network, the vocabulary, the training text and the held-out loss. Name the
    file with or without --model."""
    end_with_the_reader()
    from ..display import write_text
    from ..display.model import info_lines
    from ..model import load_model
    from ..modelfile import file_kind, model_header

    if (model_path is None) == (bare_path is None):
        raise UsageError("name one MODEL file: charlm info MODEL, or charlm info --model MODEL")
    path = bare_path if model_path is None else model_path
    model, kind = load_model(path), file_kind(path)
    if as_json:
        header = model_header(model) | {"kind": kind, "parameters": model.architecture.number_of_parameters}
        header["novelty"] = model.novelty and model.novelty.summary()
        write_text(json.dumps(header) + "\n")
    else:
        write_text("\n".join(info_lines(model, path, os.path.getsize(path), terminal_width(), kind)) + "\n")
