"""charlm predict: model file and examples → the model's prediction for each of them."""

import json

from ..errors import CorpusError
from ..options import BEAM, ENCODING, JSON, MODEL, THREADS, TOP
from ..ranks import job
from ..text.layout import terminal_width, wrapped_text
from ..text.reading import names_of
from .options import command, files_argument
from .signals import end_with_the_reader


@command(
    [MODEL, TOP, BEAM, JSON, ENCODING, THREADS],
    arguments=[files_argument()],
    explanation=(
        "The prediction, by model",
        (
            ("classifier", "its label"),
            ("--task generate", "the label that explains it best"),
            ("tagger", "one word per line, a blank line after each sentence: the tag, added as the last column"),
            ("translator", "its target"),
            ("any of vectors", "the same, for each sequence; a tag for each step"),
        ),
    ),
    examples=(
        "echo 'quatre cent deux' | charlm predict -m languages.npz --top 2",
        "charlm predict -m dates.npz --beam 4 dates.txt",
        "charlm predict -m entities.npz --json sentences.conll",
    ),
)
def predict(*, model_path, files, top, beam, as_json, encoding, threads):
    """Predict the label, the tags or the translation of each line. The lines are in the files, or come from standard
    input (-, or no FILE). Rows come in the order of the lines, as soon as they are ready.

    A model of vectors (charlm train --input vectors) reads files of vectors, with or without their answers.

    Each line has a row, a blank line too. The row of a line that cannot be read is empty, with --json it has the key
    "error"; charlm goes on, and ends with exit code 1.
    """
    end_with_the_reader()
    from ..display import say, write_text
    from ..model import load_model
    from ..predicting import Predictor
    from ..tasks.summary import number_of

    predictor, width = Predictor(load_model(model_path), threads), terminal_width()
    found, errors, first = False, 0, None
    for rows in predictor.rows(files or ("-",), encoding, top=top, beam=beam, ranks=job()):
        found = found or bool(rows)
        failed = [prediction for _, prediction in rows if isinstance(prediction, CorpusError)]
        errors, first = errors + len(failed), first or next(iter(failed), None)
        if as_json:
            # a blank line between sentences has no record
            records = filter(None, (predictor.record(item, prediction) for item, prediction in rows))
            write_text("".join(json.dumps(record) + "\n" for record in records))
        else:
            text = "".join(predictor.row(item, prediction) + "\n" for item, prediction in rows)
            write_text(wrapped_text(text, width))
    if not found:
        say(f"there is no text in {names_of(files or ('-',))}, so there is nothing to predict")
    if errors:
        raise CorpusError(f"{number_of(errors, 'row')} without a prediction; {'the first: ' * (errors > 1)}{first}")
