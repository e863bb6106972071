"""charlm evaluate: model file and examples with their answers → how often the model is right."""

import json

from ..options import BEAM, ENCODING, JSON, MODEL, THREADS
from ..ranks import job
from ..text.layout import terminal_width
from .options import command, files_argument
from .signals import end_with_the_reader


@command(
    [MODEL, BEAM, JSON, ENCODING, THREADS],
    arguments=[files_argument()],
    explanation=(
        "The figures, by model",
        (
            ("classifier", "accuracy, macro F1, table of confused labels"),
            (
                "--task generate",
                "perplexity of the lines given their labels, and how often their own label explains a line best",
            ),
            ("tagger", "correct tags, and F1 of whole entities if the tags mark them (B-x, I-x, O)"),
            ("translator", "exact matches, and character error rate"),
            ("language model", "the figures of charlm perplexity"),
        ),
    ),
    examples=(
        "charlm evaluate -m languages.npz held-out.tsv",
        "charlm evaluate -m dates.npz --beam 4 dates-held-out.tsv",
        "charlm evaluate -m entities.npz --json held-out.conll",
    ),
)
def evaluate(model_path, files, beam, as_json, encoding, threads):
    """Measure how often a model is right. The examples and their answers are in the files, or come from standard input
    (-, or no FILE), in the format that the model was trained on.
    """
    end_with_the_reader()
    from ..display import say, write_text
    from ..display.scores import score_lines, unknown_warning
    from ..model import load_model
    from ..predicting import evaluation_of

    model = load_model(model_path)
    found = evaluation_of(model, files or ("-",), encoding, threads=threads, beam=beam, ranks=job())
    level, width, warning = model.vocabulary.level, terminal_width(), None
    if model.task.name == "text":
        lines = score_lines(found, level, width=width)
        warning = unknown_warning(model_path, found.unknown_tokens, found.tokens, level)
    else:
        lines = found.lines(width)
    write_text((json.dumps(found.as_dict()) if as_json else "\n".join(lines)) + "\n")
    if warning:
        say(warning)
