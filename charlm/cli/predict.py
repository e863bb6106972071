"""charlm predict: model file and examples → the model's prediction for each of them."""

import json

from ..options import BEAM, ENCODING, JSON, MODEL, THREADS, TOP
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
    """
    end_with_the_reader()
    from ..display import say, write_text
    from ..model import load_model
    from ..predicting import Predictor

    predictor, width = Predictor(load_model(model_path), threads), terminal_width()
    task = predictor.task
    found = False
    for rows in predictor.rows(files or ("-",), encoding, top=top, beam=beam):
        found = found or bool(rows)
        if as_json:
            # a blank line between sentences has no record
            records = filter(None, (task.record(item, prediction) for item, prediction in rows))
            write_text("".join(json.dumps(record) + "\n" for record in records))
        else:
            write_text(wrapped_text("".join(task.row(item, prediction) + "\n" for item, prediction in rows), width))
    if not found:
        say(f"there is no text in {names_of(files or ('-',))}, so there is nothing to predict")
