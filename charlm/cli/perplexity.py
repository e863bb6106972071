"""charlm perplexity: model file and text → how surprising the text is.

The command reads the options, opens the pipeline (``scoring.pipeline``), and gives its blocks to one output.
"""

import json
import sys
from os import PathLike
from typing import NamedTuple

from ..errors import UsageError
from ..options import BOTH, GIVEN, JSON, Option
from ..ranks import job
from ..scoring.options import SCORING, UNIT
from ..text.layout import terminal_width
from .options import command, files_argument, load_language_model
from .signals import end_with_the_reader

OUTPUTS = (
    Option(
        "model_paths",
        PathLike,
        "The model file, written by charlm train -o. Give several to compare them.",
        several=BOTH,
        metavar="FILE",
        flag="--model",
        short="-m",
        required=True,
    ),
    Option(
        "per_line",
        bool,
        "Print one row per line: number, tokens, unknown tokens, nats, bits per character, text.",
        default=False,
    ),
    Option(
        "per_token",
        bool,
        "Print one row per token: token, log-probability, rank, and entropy of the prediction.",
        default=False,
    ),
    Option(
        "per_word",
        bool,
        "Print one row per word, whatever the tokens are: line, position in the line, tokens, unknown tokens, nats, "
        "word. White space ends a word, and belongs to the next one; a line end has a row of its own.",
        default=False,
    ),
    UNIT,
    Option("header", bool, "Begin the rows with the names of the columns.", default=False),
    Option("color", bool, "Show the text, and paint each token by its surprise in bits.", default=False),
    Option(
        "background",
        str,
        "The background of the terminal, for --color.",
        default_in_words="from the variable COLORFGBG, else dark",
        choices=("dark", "light"),
    ),
    Option(
        "html",
        PathLike,
        "Write the most surprising lines to a web page, with the tokens the model expected.",
        metavar="PAGE",
    ),
    Option(
        "baselines",
        PathLike,
        "Add the figures of unigrams, n-grams and xz trained on this text.",
        metavar="CORPUS",
    ),
)


@command(
    [*OUTPUTS, GIVEN, *SCORING, JSON],
    arguments=[files_argument()],
    examples=(
        "charlm perplexity -m m.npz held-out.txt",
        "charlm perplexity -m m.npz --per-line names.txt | sort -t$'\\t' -k5 -rn",
        "charlm perplexity -m english.npz -m german.npz letter.txt",
    ),
)
def perplexity(
    *,
    model_paths,
    files,
    given,
    per_line,
    per_token,
    per_word,
    unit,
    header,
    color,
    background,
    html,
    baselines,
    adapt,
    precision,
    as_json,
    encoding,
    threads,
):
    """Measure how surprising a text is to a model. The text is in the files, or comes from standard input (-, or no
    FILE).

    Every <EOS> (line end) and every <UNK> (unknown token) counts as a token. A model of lines reads each line on its
    own, and skips blank lines. Any other model reads the text as one stream, and predicts each line given all lines
    before it. Either way the figures of the lines add up to the total.

    A model of --task chords reads a set on each line, or piano rolls (.npz, .mat: testdata), and gets nats per step.

    Several models are ranked by bits per byte, with each <UNK> spelled out. Compare models with different vocabularies
    by this figure only, and on the same text. --per-line, --per-token and --per-word print tab-separated columns, or
    with --json one object per row.
    """
    end_with_the_reader()
    from ..scoring.pipeline import ScoringOptions, UnknownCounts, scored_files

    files = files or ("-",)
    outputs = {"--per-line": per_line, "--per-token": per_token, "--per-word": per_word}
    outputs |= {"--color": color, "--html": html, "--baselines": baselines}
    _check_outputs(outputs, len(model_paths) > 1, files, as_json)
    _check_details(outputs, as_json, background=background, header=header, unit=unit)
    models = [load_language_model(path, given, ("chords",)) for path in model_paths]
    _announce_standard_input(files)
    options = ScoringOptions(encoding=encoding, threads=threads, adapt=adapt, precision=precision)
    counts, form = UnknownCounts(len(models)), FigureForm(adapt, as_json, unit)
    if "chords" in [model.task.name for model in models]:
        _write_steps(models, files, outputs, options, form)
        return

    def scored(**what):
        return counts.following(scored_files(models, files, options=options, ranks=job(), **what))

    if per_line or per_token or per_word:
        _write_rows(scored, "line" if per_line else "token" if per_token else "word", form, header)
    elif color:
        _paint(scored, models[0], background)
    else:
        _write_figures(scored, models, model_paths, files, form, outputs, encoding)
    _warn_of_unknown(counts, model_paths, models)


class FigureForm(NamedTuple):
    """How figures are written. adapt: the learning rate of models that keep learning from the text, None for models
    that do not; as_json: as JSON; unit: of figures that are logarithms of probabilities."""

    adapt: float | None
    as_json: bool
    unit: str


def _check_outputs(outputs, several_models, files, as_json):
    """Raise UsageError if outputs do not go together. outputs: option → its value."""
    given = [name for name, value in outputs.items() if value]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} do not go together; run the command once for each")
    if given and several_models:
        raise UsageError(f"{given[0]} goes with one --model; charlm compares several models by their totals")
    if as_json and given == ["--color"]:
        raise UsageError("--color is for people and --json for programs; give only one of them")
    if [*files, outputs["--baselines"]].count("-") > 1:
        raise UsageError("standard input can be read only once; give - once")


def _check_details(outputs, as_json, *, background, header, unit):
    """Raise UsageError if a detail was given that the output does not have."""
    if background and not outputs["--color"]:
        raise UsageError("--background goes with --color only")
    if unit != UNIT.default and outputs["--color"]:
        raise UsageError("--color paints by bits, whatever the --unit; leave --unit out")
    if header and not any(value for name, value in outputs.items() if name.startswith("--per-")):
        raise UsageError("--header goes with --per-line, --per-token or --per-word only")
    if header and as_json:
        raise UsageError("--json names the figures of each row; leave --header out")


def _announce_standard_input(files):
    """Tell a person at a terminal that charlm waits for text."""
    from ..display import say

    if "-" in files and sys.stdin is not None and sys.stdin.isatty():
        say("reading standard input; end it with Ctrl-D on an empty line")


def _warn_of_unknown(counts, model_paths, models):
    """Tell which models know too little of the text."""
    from ..display import say
    from ..display.scores import unknown_warning

    for path, model, unknown, tokens in zip(model_paths, models, counts.unknown, counts.tokens, strict=True):
        if warning := unknown_warning(path, unknown, tokens, model.vocabulary.level):
            say(warning)


def _write_figures(scored, models, model_paths, files, form, outputs, encoding):
    """The figures of the whole text, and the page or the baselines where the outputs ask for them."""
    if len(models) > 1:
        _compare(scored, model_paths, files, form)
    elif page := outputs["--html"]:
        _write_page(scored, models[0], page, model_paths[0], files, form)
    elif corpus := outputs["--baselines"]:
        _add_baselines(scored, models[0], corpus, files, encoding, form)
    else:
        _write_total(scored, models[0], files, form)


# The outputs. scored(columns=…, whole_lines=…) gives the scored blocks of the text.


def _write_rows(scored, by, form, header):
    from ..display import write_text
    from ..scoring.rows import KINDS, written_rows

    blocks = scored(columns=KINDS[by].columns, whole_lines=by != "token")
    for rows in written_rows(blocks, by, as_json=form.as_json, unit=form.unit, header=header):
        write_text(rows)


def _paint(scored, model, background):
    from ..display.colour import paint

    paint(scored(whole_lines=True), model.vocabulary.level, background)


def _compare(scored, model_paths, files, form):
    from ..display.scores import ranking_lines
    from ..scoring.comparison import compare
    from ..scoring.perplexity import COLUMNS, check_not_empty

    rankings, sums = compare(scored(columns=COLUMNS, whole_lines=True), model_paths)
    check_not_empty(rankings[0].score, files)
    adapted = {"adapt": form.adapt} if form.adapt else {}
    records = [ranking.as_dict(form.unit) | adapted for ranking in rankings]
    _write(records if form.as_json else None, ranking_lines(rankings, sums.size, form.adapt, terminal_width()))


def _write_page(scored, model, page_path, model_path, files, form):
    from ..display import say
    from ..reports.surprise_page import COLUMNS, check_page_path, score_with_page

    check_page_path(page_path, [*files, model_path])
    blocks = scored(columns=COLUMNS, whole_lines=True)
    score = score_with_page(blocks, model.vocabulary, page_path, model_path=model_path, paths=files, adapt=form.adapt)
    _write_score(score, model, form)
    say(f"wrote {page_path}")


def _add_baselines(scored, model, corpus, files, encoding, form):
    from ..display.scores import baseline_lines
    from ..score import figures_in
    from ..scoring.baselines import TrainingText, score_with_baselines
    from ..scoring.perplexity import COLUMNS

    training = TrainingText(model, [corpus], encoding)
    score, found = score_with_baselines(scored(columns=COLUMNS), training, files)
    found = {name: figures_in(form.unit, figures) for name, figures in found.items()}
    lines = baseline_lines(score.as_dict(form.unit), found, corpus, form.adapt, terminal_width())
    _write_score(score, model, form, {"baselines": found}, lines)


def _write_steps(models, files, outputs, options, form):
    """The figures of a model of sets. Raises UsageError where an option does not go with it."""
    from ..scoring.steps import steps_of_files

    for_text = {"--adapt": options.adapt, "--precision": options.precision != "float32"}
    for name, value in (outputs | for_text | {"a second --model": len(models) > 1}).items():
        if value:
            raise UsageError(f"{name} does not go with a model of --task chords, whose steps are sets: leave it out")
    score = steps_of_files(models[0], files, options.encoding, options.threads)
    _write([score.as_dict(form.unit)] if form.as_json else None, score.lines(terminal_width(), form.unit))


def _write_total(scored, model, files, form):
    from ..scoring.perplexity import COLUMNS, check_not_empty, total

    score = check_not_empty(total(scored(columns=COLUMNS)), files)
    _write_score(score, model, form)


def _write_score(score, model, form, more=(), more_lines=()):
    """The figures of a model. more, more_lines: what follows them, in JSON and for people."""
    from ..display.scores import score_lines

    record = score.as_dict(form.unit) | ({"adapt": form.adapt} if form.adapt else {}) | dict(more)
    lines = score_lines(score, model.vocabulary.level, form.adapt, terminal_width(), form.unit)
    _write([record] if form.as_json else None, [*lines, *more_lines])


def _write(records, lines):
    """The records, one JSON object per line, or if there are none the lines for people."""
    from ..display import write_text

    lines = lines if records is None else map(json.dumps, records)
    write_text("\n".join(lines) + "\n")
