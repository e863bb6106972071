"""charlm perplexity: model file and text → how surprising the text is.

The command reads the options, opens the pipeline (``scoring.pipeline``), and gives its blocks to one output.
"""

import json
import sys
from functools import partial
from os import PathLike

from ..errors import UsageError
from ..options import BOTH, GIVEN, JSON, Option
from ..scoring.options import SCORING
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
        "Print one row per token: token, log-probability, rank, and entropy of the prediction, in nats.",
        default=False,
    ),
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

    Several models are ranked by bits per byte. Compare models with different vocabularies by this figure only, and on
    the same text. --per-line and --per-token print tab-separated columns, or with --json one object per row.
    """
    end_with_the_reader()
    from ..scoring.pipeline import ScoringOptions, scored_files

    files = files or ("-",)
    outputs = {"--per-line": per_line, "--per-token": per_token, "--color": color, "--html": html}
    _check_outputs(outputs | {"--baselines": baselines}, len(model_paths) > 1, files, as_json, background)
    models = [load_language_model(path, given) for path in model_paths]
    _announce_standard_input(files)
    options = ScoringOptions(encoding=encoding, threads=threads, adapt=adapt, precision=precision)
    scored = partial(scored_files, models, files, options=options)
    if per_line or per_token:
        _write_rows(scored, per_token, as_json)
    elif color:
        _paint(scored, models[0], background)
    elif len(models) > 1:
        _compare(scored, model_paths, files, adapt, as_json)
    elif html:
        _write_page(scored, models[0], html, model_paths[0], files, adapt=adapt, as_json=as_json)
    elif baselines:
        _add_baselines(scored, models[0], baselines, files, options, as_json)
    else:
        _write_total(scored, models[0], files, adapt, as_json)


def _check_outputs(outputs, several_models, files, as_json, background):
    """Raise UsageError if options do not go together. outputs: option → its value."""
    given = [name for name, value in outputs.items() if value]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} do not go together; run the command once for each")
    if given and several_models:
        raise UsageError(f"{given[0]} goes with one --model; charlm compares several models by their totals")
    if as_json and given == ["--color"]:
        raise UsageError("--color is for people and --json for programs; give only one of them")
    if background and not outputs["--color"]:
        raise UsageError("--background goes with --color only")
    if [*files, outputs["--baselines"]].count("-") > 1:
        raise UsageError("standard input can be read only once; give - once")


def _announce_standard_input(files):
    """Tell a person at a terminal that charlm waits for text."""
    from ..display import say

    if "-" in files and sys.stdin is not None and sys.stdin.isatty():
        say("reading standard input; end it with Ctrl-D on an empty line")


# The outputs. scored(columns=…, whole_lines=…) gives the scored blocks of the text.


def _write_rows(scored, per_token, as_json):
    from ..display import write_text
    from ..scoring.rows import COLUMNS_BY_TOKEN, rows_by_line, rows_by_token

    if per_token:
        batches = rows_by_token(scored(columns=COLUMNS_BY_TOKEN), as_json)
    else:
        batches = rows_by_line(scored(whole_lines=True), as_json)
    for rows in batches:
        write_text(rows)


def _paint(scored, model, background):
    from ..display.colour import paint

    paint(scored(whole_lines=True), model.vocabulary.level, background)


def _compare(scored, model_paths, files, adapt, as_json):
    from ..display.scores import ranking_lines
    from ..scoring.comparison import compare
    from ..scoring.perplexity import COLUMNS, check_not_empty

    rankings, sums = compare(scored(columns=COLUMNS, whole_lines=True), model_paths)
    check_not_empty(rankings[0].score, files)
    records = [ranking.as_dict() for ranking in rankings]
    if adapt:
        records = [record | {"adapt": adapt} for record in records]
    _write(records if as_json else None, ranking_lines(rankings, sums.size, adapt, terminal_width()))


def _write_page(scored, model, page_path, model_path, files, *, adapt, as_json):
    from ..display import say
    from ..reports.surprise_page import COLUMNS, check_page_path, score_with_page

    check_page_path(page_path, [*files, model_path])
    blocks = scored(columns=COLUMNS, whole_lines=True)
    score = score_with_page(blocks, model.vocabulary, page_path, model_path=model_path, paths=files, adapt=adapt)
    _write_score(score, model, adapt, as_json)
    say(f"wrote {page_path}")


def _add_baselines(scored, model, corpus, files, options, as_json):
    from ..display.scores import baseline_lines
    from ..scoring.baselines import TrainingText, score_with_baselines
    from ..scoring.perplexity import COLUMNS

    training = TrainingText(model, [corpus], options.encoding)
    score, found = score_with_baselines(scored(columns=COLUMNS), training, files)
    lines = baseline_lines(score, found, corpus, options.adapt, terminal_width())
    _write_score(score, model, options.adapt, as_json, {"baselines": found}, lines)


def _write_total(scored, model, files, adapt, as_json):
    from ..scoring.perplexity import COLUMNS, check_not_empty, total

    score = check_not_empty(total(scored(columns=COLUMNS)), files)
    _write_score(score, model, adapt, as_json)


def _write_score(score, model, adapt, as_json, more=(), more_lines=()):
    """The figures of a model. more, more_lines: what follows them, in JSON and for people."""
    from ..display.scores import score_lines

    record = score.as_dict() | ({"adapt": adapt} if adapt else {}) | dict(more)
    lines = score_lines(score, model.vocabulary.level, adapt, terminal_width())
    _write([record] if as_json else None, [*lines, *more_lines])


def _write(records, lines):
    """The records, one JSON object per line, or if there are none the lines for people."""
    from ..display import write_text

    lines = lines if records is None else map(json.dumps, records)
    write_text("\n".join(lines) + "\n")
