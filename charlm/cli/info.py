"""charlm info: what is in a model file."""

import json
import os

import click

from .options import as_json
from .signals import end_with_the_reader


@click.command(short_help="Show what is in a model file.")
@click.argument("model_path", metavar="MODEL")
@as_json
def info(model_path, as_json):
    """Show what is in a model file: network, vocabulary, what it was trained on and how well."""
    end_with_the_reader()
    from ..display import write_text
    from ..display.model import info_lines
    from ..model import load_model
    from ..modelfile import model_header

    model = load_model(model_path)
    if as_json:
        header = model_header(model) | {"parameters": model.architecture.number_of_parameters}
        header["novelty"] = model.novelty and model.novelty.summary()
        write_text(json.dumps(header) + "\n")
    else:
        write_text("\n".join(info_lines(model, model_path, os.path.getsize(model_path))) + "\n")
