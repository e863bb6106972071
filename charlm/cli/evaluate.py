"""charlm evaluate: model file and examples with their answers → how often it is right."""

import json

import click

from ..errors import UsageError
from .options import as_json, beam, encoding, model_option, threads
from .signals import end_with_the_reader


@click.command(short_help="Measure how often predictions are right.")
@model_option
@click.argument("files", nargs=-1, metavar="[FILE]...")
@beam
@as_json
@encoding
@threads
def evaluate(model_path, files, beam, as_json, encoding, threads):
    """Measure how often a model is right: on files, or on standard input (-, or no FILE), of the form it was trained
    on.

    For a classifier: accuracy, macro F1 and what was taken for what. For --task generate: how surprising the lines are
    given their labels, and how often no other label explains them so well. For a tagger: right tags, and whole entities
    where the tags mark some (B-x, I-x, O). For a translator: exact matches, and the share of wrong characters. For a
    language model: what charlm perplexity says.
    """
    end_with_the_reader()
    from ..display import write_text
    from ..display.scores import score_lines
    from ..model import load_model

    model, files = load_model(model_path), files or ("-",)
    if model.task.name == "text":
        if beam:
            raise UsageError("--beam does not go with a language model")
        from ..scoring.perplexity import perplexity_of_files

        score = perplexity_of_files(model, files, encoding=encoding, threads=threads)
        lines = score_lines(score, model.vocabulary.level)
    else:
        from ..predicting import Predictor

        score = Predictor(model, threads).evaluate(files, encoding, **({"beam": beam} if beam else {}))
        lines = score.lines()
    write_text((json.dumps(score.as_dict()) if as_json else "\n".join(lines)) + "\n")
