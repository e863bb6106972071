"""charlm sample: model file → new text."""

import json
import os
import sys

import click

from ..errors import CharlmError, SamplingError, UsageError
from .options import AT_LEAST_1, TO_A_TRILLION, UP_TO_1, as_json, given, model_option, quiet, setting
from .signals import end_with_the_reader


@click.command()
@model_option
@given
@setting("--count", TO_A_TRILLION, "N", "How many samples.  [default: 1; 10 for a model of lines above temperature 0]")
@setting(
    "--length", TO_A_TRILLION, "N", "Tokens of a sample, or the most a line may have.  [default: 500; 1000 for lines]"
)
@setting(
    "--temperature",
    click.FloatRange(0),
    "T",
    "Below 1 likelier text, above 1 stranger; 0: the likeliest token each time, and so always the same text.",
    1.0,
)
@setting("--top-k", click.IntRange(0), "K", "Draw from the K most likely tokens only; 0 for all.", 0)
@setting("--top-p", UP_TO_1, "P", "Draw from the fewest tokens whose probabilities add up to P.", 1.0)
@setting("--min-p", click.FloatRange(0, 1), "P", "Leave out tokens with less than P times the likeliest's chance.", 0.0)
@setting(
    "--unknown",
    click.Choice(("reject", "mask")),
    None,
    "Draw anew what holds <UNK> (the model's distribution, given that there is none), or set its probability to 0.",
    "reject",
)
@setting("--prime", str, "TEXT", "Read this first; it is not printed, and not counted.")
@setting("--prime-file", str, "FILE", "Read this file first (- is standard input): its last 2,048 tokens.")
@setting("--start-with", str, "TEXT", "Begin every sample with this text.")
@setting(
    "--stop",
    str,
    "TEXT",
    "End a sample behind this text, which is kept; may be given several times.",
    (),
    multiple=True,
)
@setting("--min-length", click.IntRange(0), "N", "Refuse what has fewer characters.  [default: 0]")
@setting("--max-length", AT_LEAST_1, "N", "Refuse what has more characters.  [default: no limit]")
@click.option("--unique", is_flag=True, help="Refuse a sample that came before.")
@setting("--best-of", AT_LEAST_1, "N", "Draw N for each sample and keep the one of highest log-probability.", 1)
@setting(
    "--max-copied",
    AT_LEAST_1,
    "N",
    "Refuse what has more than N characters in a row from the training text, or is a whole line of it where lines "
    "are drawn; at least 15 without --corpus.  [default: 50; 30 for lines]",
)
@click.option("--allow-copies", is_flag=True, help="Refuse no copies of the training text.")
@click.option("--corpus", metavar="FILE", help="Look for copies in this text, exactly, not in the model's record.")
@setting("--encoding", str, "NAME", "How --prime-file, --corpus and the beginnings are encoded.", "utf-8")
@setting("--max-tries", AT_LEAST_1, "N", "Give up after N refusals in a row.", 10_000)
@setting(
    "--fill",
    str,
    "PATTERN",
    "Fill each _ with a character (or byte; ____ with a word): drawn given all that stands in the pattern.",
)
@click.option("--interactive", is_flag=True, help="Read beginnings from standard input, a line each, and go on there.")
@setting("--seed", click.IntRange(0), "N", "Same seed, same samples, however many.  [default: a new one each time]")
@as_json
@quiet
def sample(model_path, given, count, seed, prime_file, interactive, as_json, quiet, **options):
    """Draw new text from a model.

    What holds <UNK> and what is copied from the training text is refused and drawn anew, as a whole: the sample, or
    its line where a stream is drawn. stderr tells what was asked, drawn and refused. The log_probability of --json is
    what charlm perplexity gives for the text.
    """
    end_with_the_reader()
    from ..display import say
    from ..display.scores import refusals
    from ..model import load_model
    from ..sampling.acceptance import SamplingCounts
    from ..sampling.sampler import known_from, new_sampler

    options = {name: value for name, value in options.items() if value is not None}
    if interactive and ("fill" in options or "start_with" in options):
        raise UsageError("--interactive reads the beginnings: it goes with neither --start-with nor --fill")
    if prime_file is not None and "prime" in options:
        raise UsageError("--prime and --prime-file do not go together")
    if [prime_file, options.get("corpus"), "-" if interactive else None].count("-") > 1:
        raise UsageError("standard input can be one of --prime-file, --corpus and the beginnings of --interactive only")
    model = load_model(model_path).given(given)
    encoding = options["encoding"]
    seed = int.from_bytes(os.urandom(4)) if seed is None else seed
    certain = options["temperature"] == 0 or options["top_k"] == 1
    count = count or (10 if model.lines and not certain else 1)
    if prime_file is not None:
        options["prime"] = _prime_from(prime_file, model, encoding)
    if "corpus" in options:
        options["corpus"] = known_from(model, options["corpus"], encoding, options.get("max_copied"))
    total = SamplingCounts()

    def draw(**more):
        sampler = new_sampler(model, count, **options | more)
        try:
            _show(sampler.pieces(), as_json)
        finally:
            total.add(sampler.tally)

    try:
        if interactive:
            _for_each_beginning(draw, seed, encoding, quiet)
        else:
            draw(seed=seed)
    finally:
        if not quiet and total.asked:
            known = options.get("corpus") or model.novelty
            unit = "sample" if model.lines or "fill" in options else "line"
            alike = "; the same each time, as only the likeliest is drawn" * (
                certain and count > 1 and not options["unique"]
            )
            say(f"{refusals(total, unit, known and known.shortest_run)}{alike}; seed {seed}")


def _prime_from(path, model, encoding):
    from ..text.reading import read_text
    from ..text.vocabulary import as_bytes

    pieces = read_text([path], model.vocabulary.level, encoding)
    text = b"".join(map(as_bytes, pieces)).decode("utf-8", "surrogateescape")
    return text.removesuffix("\n") if model.lines else text


def _show(pieces, as_json):
    """Write samples to stdout as they come, each with a line's end."""
    from ..display import write_text

    number, inside = 0, False  # inside: the line that was written last has no end
    try:
        for piece in pieces:
            if as_json:
                if piece.sample is not None:
                    write_text(json.dumps(piece.sample.as_dict()) + "\n")
                continue
            separator = "\n" if inside and piece.number != number else ""
            write_text(separator + piece.text)
            number, inside = piece.number, not piece.text.endswith("\n")
            if piece.sample is not None and inside:
                write_text("\n")
                inside = False
    finally:
        if inside:
            write_text("\n")


def _for_each_beginning(draw, seed, encoding, quiet):
    """Draw samples for each line of standard input. At a terminal Ctrl-C ends those under way, Ctrl-D all."""
    from ..display import say

    if sys.stdin is None:
        raise CharlmError("standard input is closed")
    at_terminal = sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty()
    if at_terminal and not quiet:
        say("type how samples shall begin, a line each; Ctrl-D on an empty line ends")
    failed = False
    for number, beginning in enumerate(_typed() if at_terminal else _piped(encoding)):
        try:
            draw(start_with=beginning, seed=(seed, number))
        except SamplingError as error:
            say(f"charlm: {' '.join(str(error).split())}")
            failed = True
        except KeyboardInterrupt:
            if not at_terminal:
                raise
    if failed and not at_terminal:
        raise CharlmError("not every beginning could be gone on with")


def _typed():
    from ..display import write_text

    try:
        import readline  # noqa: F401  (input() then lets a line be edited)
    except ImportError:
        pass
    while True:
        try:
            yield input("> ")
        except EOFError:
            write_text("\n")  # the shell's prompt gets a line of its own
            return


def _piped(encoding):
    for line in iter(sys.stdin.buffer.readline, b""):
        try:
            yield line.removesuffix(b"\n").removesuffix(b"\r").decode(encoding)
        except UnicodeError:
            raise CharlmError(f"standard input is not {encoding.upper()}; name its encoding with --encoding") from None
