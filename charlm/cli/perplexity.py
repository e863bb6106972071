"""charlm perplexity: model file and text → how surprising it is."""

import json
import sys

import click

from ..errors import UsageError
from .options import PRECISIONS, UP_TO_1, as_json, encoding, given, setting, threads
from .signals import end_with_the_reader


@click.command(short_help="Measure how surprising text is to a model.")
@click.option(
    "--model",
    "model_paths",
    required=True,
    multiple=True,
    metavar="FILE",
    help="The model, from train -o; several are compared.",
)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--per-line", is_flag=True, help="A row a line: number, tokens, unknown, nats, bits per character, text.")
@click.option("--per-token", is_flag=True, help="A row a token: token, log-probability, rank, entropy; in nats.")
@click.option("--color", is_flag=True, help="Show the text, each token painted by its surprise in bits.")
@setting(
    "--background",
    click.Choice(("dark", "light")),
    None,
    "The ground of the terminal, for --color.  [default: what COLORFGBG says, else dark]",
)
@click.option("--html", metavar="PAGE", help="Write the most surprising lines to a web page, with what was likelier.")
@click.option(
    "--baselines", metavar="CORPUS", help="Add what unigrams, n-grams and xz make of the text, given this one."
)
@given
@setting(
    "--adapt",
    UP_TO_1,
    "RATE",
    "Go on learning from the text once it is measured, at this learning rate (0.0003, say); the file stays as it is.  "
    "[default: learn nothing]",
)
@setting(
    "--precision",
    click.Choice(PRECISIONS),
    None,
    "In which matrices are multiplied: bf16 is faster, where the processor has AVX512-BF16, and less exact.",
    "float32",
)
@as_json
@encoding
@threads
def perplexity(
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
    """Measure how surprising text is to a model: of files, or of standard input (-, or no FILE).

    Every <EOS> (line end) and every <UNK> counts as a token. A model trained with --lines reads each line by itself,
    and a blank one has no tokens; to any other model the text is one stream, and a line's figures are those of its
    tokens given all lines before. Either way the lines add up to the total.

    Several --model are ranked by bits per byte: only by these can models of different vocabularies be compared, and
    on one and the same text. --per-line and --per-token print TSV, or with --json an object a row.
    """
    end_with_the_reader()
    from ..display import say, write_text
    from ..display.colour import paint
    from ..display.scores import baseline_lines, score_lines, standing_lines
    from ..model import load_model
    from ..scoring.blocks import text_blocks
    from ..scoring.perplexity import perplexity_of_files, scored_blocks
    from ..scoring.rows import rows_of_files

    files = files or ("-",)
    if background and not color:
        raise UsageError("--background is of use with --color only")
    views = {"--per-line": per_line, "--per-token": per_token, "--color": color, "--html": html}
    _check_views(views | {"--baselines": baselines}, len(model_paths) > 1, as_json, [*files, baselines].count("-") > 1)
    models = [load_model(path).given(given) for path in model_paths]
    model = models[0]
    if "-" in files and sys.stdin is not None and sys.stdin.isatty():
        say("reading standard input; Ctrl-D on an empty line ends it")
    how = {"threads": threads, "adapt": adapt, "precision": precision}
    options = {"encoding": encoding, **how}
    if per_line or per_token:
        for rows in rows_of_files(model, files, level="line" if per_line else "token", as_json=as_json, **options):
            write_text(rows)
        return
    if color:
        painted = scored_blocks(models, text_blocks(models, files, True, encoding), **how)
        paint((passage for (passage,) in painted), model, background)
        return
    if len(models) > 1:
        from ..scoring.comparison import compare_files

        standings, units = compare_files(models, model_paths, files, **options)
        if as_json:
            lines = [json.dumps(standing.as_dict()) for standing in standings]
        else:
            lines = standing_lines(standings, units.size)
    elif html:
        from ..reports.surprise_page import check_place, score_with_page

        check_place(html, [*files, *model_paths])
        score = score_with_page(model, files, html, model_paths[0], **options)
        lines = [json.dumps(score.as_dict())] if as_json else score_lines(score, model.vocabulary.level)
    elif baselines:
        from ..scoring.comparison import score_with_baselines

        score, beside = score_with_baselines(model, files, [baselines], **options)
        if as_json:
            lines = [json.dumps(score.as_dict() | {"baselines": beside})]
        else:
            lines = score_lines(score, model.vocabulary.level) + baseline_lines(score, beside, baselines)
    else:
        score = perplexity_of_files(model, files, **options)
        lines = [json.dumps(score.as_dict())] if as_json else score_lines(score, model.vocabulary.level)
    write_text("\n".join(lines) + "\n")
    if html:
        say(f"wrote {html}")


def _check_views(views, several_models, as_json, stdin_twice):
    """Raise UsageError where options of perplexity do not go together. views: option → whether it is given."""
    given = [name for name, value in views.items() if value]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} do not go together; run the command once for each")
    if given and several_models:
        raise UsageError(f"{given[0]} goes with one --model; several are compared by their totals")
    if as_json and given == ["--color"]:
        raise UsageError("--color is for people and --json for programs; leave one of them out")
    if stdin_twice:
        raise UsageError("standard input can be read only once")
