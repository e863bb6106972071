"""charlm predict: model file and examples → what it makes of them."""

import json

import click

from .options import AT_LEAST_1, as_json, beam, encoding, model_option, setting, threads
from .signals import end_with_the_reader


@click.command(short_help="Predict labels or targets, by a model of another --task than text.")
@model_option
@click.argument("files", nargs=-1, metavar="[FILE]...")
@setting("--top", AT_LEAST_1, "K", "Of a classifier: the K likeliest labels, not the likeliest only.")
@beam
@as_json
@encoding
@threads
def predict(model_path, files, as_json, encoding, threads, **options):
    """Predict what a model was trained to, for each line of files or of standard input (-, or no FILE): its label, the
    label that explains it best (--task generate), or its target. For --task tag a line is a word, whatever columns
    follow it, with a blank one behind each sentence, and gets its tag as a last column.

    Rows come in the order of the lines and as they are ready.
    """
    end_with_the_reader()
    from ..display import write_text
    from ..model import load_model
    from ..predicting import Predictor

    predictor = Predictor(load_model(model_path), threads)
    task, options = predictor.task, {name: value for name, value in options.items() if value is not None}
    for rows in predictor.rows(files or ("-",), encoding, **options):
        if as_json:
            records = filter(None, (task.record(*row) for row in rows))  # a blank line between sentences has none
            write_text("".join(json.dumps(record) + "\n" for record in records))
        else:
            write_text("".join(task.row(*row) + "\n" for row in rows))
