"""charlm report: models, and a text if there is one → a page that puts them side by side."""

import os
from os import PathLike

import click

from ..errors import UsageError
from ..options import ENCODING, FILES, GIVEN, THREADS, Option
from ..ranks import job
from .options import FILE, command, load_model_of

OUTPUT = Option(
    "output", PathLike, "Write the page to this file (.html).", metavar="PAGE", short="-o", required=True, group=FILES
)


@command(
    [OUTPUT, GIVEN, ENCODING, THREADS],
    arguments=[click.Argument(["files"], type=FILE, nargs=-1, required=True, metavar="MODEL... [TEXT]...")],
    examples=(
        "charlm report m.npz -o m.html",
        "charlm report small.npz large.npz held-out.txt -o both.html",
    ),
)
def report(*, files, output, given, encoding, threads):
    """Put one or several models on a page: what each of them is and how its training went.

    With a text, the page says which model predicts it best, and shows where they differ most. Files that end in .npz or
    begin like a model are models; all others, and standard input (-), are texts.
    """
    from ..display import say
    from ..files import is_one_of
    from ..modelfile import is_model
    from ..reports.model_page import ModelPage
    from ..reports.training_page import check_report_path

    model_paths = [path for path in files if path != "-" and (path.endswith(".npz") or is_model(path))]
    texts = [path for path in files if path not in model_paths]
    if not model_paths:
        raise UsageError("none of the files is a model: charlm report MODEL... [TEXT]... --output PAGE")
    for number, path in enumerate(model_paths):
        if is_one_of(path, model_paths[:number]):
            raise UsageError(f"{path} is given twice; name each model once")
    check_report_path(output, files, "--output")
    models = [load_model_of(path, given) if texts else _loaded(path, given) for path in model_paths]
    page = ModelPage(names=_names(model_paths), models=models)
    if texts:
        page.on_text, page.notes = _on_text(page, model_paths, texts, encoding, threads)
    page.write(output)
    say(f"wrote {output}")


def _loaded(path, label):
    """A model of any task; with a label, the language model of it."""
    from ..model import load_model

    return load_model(path) if label is None else load_model_of(path, label)


def _names(paths) -> list[str]:
    """The names of the files; where two of them are the same, the paths."""
    names = [os.path.basename(path) for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _on_text(page, model_paths, texts, encoding, threads):
    """What the models say of the texts, and warnings about what they do not know."""
    from ..display.scores import unknown_warning
    from ..reports.model_page import OnText
    from ..scoring.comparison import compare
    from ..scoring.differences import Extremes
    from ..scoring.perplexity import COLUMNS, check_not_empty
    from ..scoring.pipeline import ScoringOptions, UnknownCounts, scored_files
    from ..text.reading import names_of

    for path, model in zip(model_paths, page.models, strict=True):
        try:
            model.check_task("text")
        except UsageError as error:
            raise UsageError(f"{path}: {error}; leave out the text") from None
    options = ScoringOptions(encoding=encoding, threads=threads)
    counts = UnknownCounts(len(page.models))
    extremes = Extremes(any(model.lines for model in page.models))
    scored = scored_files(page.models, texts, columns=COLUMNS, whole_lines=True, options=options, ranks=job())
    rankings, sums = compare(extremes.following(counts.following(scored)), page.names)
    check_not_empty(rankings[0].score, texts)
    found = zip(page.names, page.models, counts.unknown, counts.tokens, strict=True)
    warnings = [unknown_warning(name, unknown, tokens, m.vocabulary.level) for name, m, unknown, tokens in found]
    on_text = OnText(
        name=names_of(texts),
        rankings=rankings,
        lines_per_unit=sums.size,
        different=extremes.most_different(),
        least=extremes.least_surprising(),
        most=extremes.most_surprising(),
    )
    return on_text, [warning.removeprefix("charlm: warning: ") for warning in warnings if warning]
