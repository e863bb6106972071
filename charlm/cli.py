"""The command line. The only importer of click; NumPy and the compiler are imported by the commands that need them.

Exit codes: 0 done; 1 an error, told in one line; 2 a wrong option or argument; 130 Ctrl-C; 143 SIGTERM.
"""

import json
import os
import signal
import sys
import warnings

import click

from . import __version__
from .errors import CharlmError, SamplingError, UsageError

CELLS = ("rnn", "gru", "lstm", "peephole")
LEVELS = ("char", "word", "byte")
SCHEDULES = ("cosine", "linear", "constant")


class Program(click.Group):
    """The commands, with every error as one line on stderr and its exit code."""

    def main(self, *args, **settings):
        os.environ.setdefault(
            "OPENBLAS_NUM_THREADS", "1"
        )  # NumPy's products here are small, and bits must not depend on threads
        warnings.showwarning = lambda message, *_: click.echo(f"charlm: warning: {message}", err=True)
        try:
            code = super().main(*args, **settings | {"standalone_mode": False}) or 0  # an exit code, or nothing
            if sys.stdout is not None:
                sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError:
            code = self._fail("name a command: train, sample, perplexity or info (charlm --help tells more)", 2)
        except click.ClickException as error:
            command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "charlm"
            code = self._fail(f"{error.format_message().rstrip('.')} ({command} --help lists the options)", 2)
        except UsageError as error:
            code = self._fail(error, 2)
        except CharlmError as error:
            code = self._fail(error, 1)
        except (click.Abort, KeyboardInterrupt):
            code = 130
        except MemoryError:
            code = self._fail("there is not enough memory; choose a smaller --hidden, --batch or --steps", 1)
        except OSError as error:
            code = self._fail(f"{error.filename or 'standard output'}: {error.strerror or error}", 1)
            _drop_stdout()
        sys.exit(code)

    @staticmethod
    def _fail(message, code):
        from .display import say

        say(f"charlm: error: {' '.join(str(message).split())}")
        return code


def _drop_stdout():
    """Let the interpreter's last flush of an unwritable stdout go nowhere."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass


def _end_with_the_reader():
    """Let ``charlm … | head`` end as other filters do, when nobody reads any more."""
    if hasattr(signal, "SIGPIPE"):
        try:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        except ValueError:
            pass  # not in the main thread


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="charlm %(version)s")
def program():
    """Train a language model on text of your own, draw new text from it, measure how surprising other text is.

    \b
    charlm train corpus.txt -o m.npz
    charlm sample --model m.npz
    charlm perplexity --model m.npz other.txt
    """


AT_LEAST_1 = click.IntRange(1)
MOST = 65536  # of a width, of rows, of steps
ABOVE_0 = click.FloatRange(0, min_open=True)
UP_TO_1 = click.FloatRange(0, 1, min_open=True)
SHARE = click.FloatRange(0, 1, max_open=True)


def setting(name, kind, metavar, text, default=None, **more):
    """An option with a value; its help shows the default, where there is one."""
    return click.option(
        name, type=kind, metavar=metavar, help=text, default=default, show_default=default not in (None, ()), **more
    )


threads = setting("--threads", click.IntRange(1, 1024), "N", "The result is the same for any number.  [default: all]")
model_option = click.option("--model", "model_path", required=True, metavar="FILE", help="The model, from train -o.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
quiet = click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors (and the data asked for).")
encoding = setting("--encoding", str, "NAME", "How the text is encoded.", "utf-8")


@program.command()
@click.argument("corpus", nargs=-1, required=True, metavar="CORPUS...")
@click.option("--output", "-o", required=True, metavar="FILE", help="Where the model goes: an .npz file.")
@setting("--level", click.Choice(LEVELS), None, "What a token is: a character, a word or a byte.", "char")
@click.option(
    "--lines", is_flag=True, help="Each line is a text of its own (a list of names, say), not part of a stream."
)
@setting("--holdout", SHARE, "SHARE", "Share of the text to measure on: its end or, with --lines, random lines.", 0.1)
@click.option("--valid", metavar="FILE", help="Measure on this file instead of holding out a share.")
@encoding
@setting(
    "--min-count", AT_LEAST_1, "N", "Symbols seen fewer times in training become <UNK>.  [default: 1, for words 2]"
)
@setting(
    "--max-vocabulary", click.IntRange(3), "N", "Keep the N most frequent, <EOS> and <UNK> included.  [default: all]"
)
@setting("--cell", click.Choice(CELLS), None, "The recurrent cell.", "lstm")
@setting("--hidden", click.IntRange(1, MOST), "H", "Width of a layer.", 128)
@setting("--layers", click.IntRange(1, 4), "L", "Layers on top of each other.", 2)
@setting("--embedding", click.IntRange(0, MOST), "E", "Width of an embedding of the input; 0 for one-hot input.", 0)
@click.option("--tied", is_flag=True, help="Use the embedding as output weights too; it is as wide as the layer then.")
@setting("--epochs", ABOVE_0, "N", "Times to go through the training text.  [default: 10, more for a small text]")
@setting("--batch", click.IntRange(1, MOST), "N", "Pieces of the text, or lines, that are trained side by side.", 50)
@setting("--steps", click.IntRange(1, MOST), "T", "Tokens in a window, through which the gradient runs.", 50)
@setting("--lr", ABOVE_0, "RATE", "Learning rate at its highest.", 0.004)
@setting("--schedule", click.Choice(SCHEDULES), None, "How the learning rate goes to its end.", "cosine")
@setting("--clip", click.FloatRange(0), "NORM", "Largest norm of the gradient of the mean loss; 0 for no limit.", 5.0)
@setting("--dropout", SHARE, "SHARE", "Share of each layer's outputs left out at random, against overfitting.", 0.0)
@setting("--seed", click.IntRange(0), "N", "Same seed, same settings: same model, to the byte.", 1)
@threads
@click.option(
    "--novelty/--no-novelty",
    default=True,
    help="Keep in the model file what tells new text from copies; it can also tell whether a line was trained on.",
)
@click.option("--resume", is_flag=True, help="Go on with a stopped training; settings not given are those of then.")
@click.option("--log", metavar="FILE", help="Write each report as a line of JSON.")
@quiet
@click.pass_context
def train(context, corpus, output, resume, log, quiet, **options):
    """Train a model on text files (- is standard input) and write it to one file.

    The last tenth of the text is held out, and the model that does best on it is kept. Ctrl-C stops and saves;
    --resume goes on.
    """
    from .checkpoint import Checkpoint, check_log, check_place, path_beside, saved
    from .display import UNITS, introduction, progress, say
    from .training import new_trainer, reports

    tell = (lambda line: None) if quiet else say
    read = [*corpus, *([options["valid"]] if options["valid"] else [])]
    check_place(output, read)
    if log:
        check_log(log, [*read, output, path_beside(output)])
    checkpoint = None
    if resume:
        given = {
            name for name in options if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        }
        if not path_beside(output).exists():
            raise CharlmError(
                f"there is nothing to go on from: {path_beside(output)} is not there (a finished training leaves none)"
            )
        checkpoint = Checkpoint(path_beside(output))
        options |= {name: value for name, value in checkpoint.options.items() if name not in given}
    trainer = new_trainer(corpus, **options)
    kept = options | {"epochs": trainer.settings.epochs}
    del kept["threads"]
    if checkpoint:
        checkpoint.restore(trainer)
    for line in introduction(trainer):
        tell(line)
    unit = UNITS[options["level"]]
    caught = []
    _catch_signals(caught)
    with (
        _log_file(log, append=resume) as write,
        progress(trainer.settings.epochs, trainer.total_tokens, unit, quiet) as show,
    ):
        steps = trainer.run(stop=lambda: bool(caught))
        for report in saved(trainer, reports(steps, every=1.0), output, kept):
            write(report.as_dict())
            show(report)
    if caught and not trainer.finished:
        tell(
            f"stopped after {trainer.step:,} updates; the best model so far is in {output}; "
            "go on with the same command and --resume"
        )
        context.exit(128 + caught[0])
    loss = trainer.best_loss
    tell(f"wrote {output}" + (f" (held-out loss {loss:.4f} nats a {unit})" if trainer.evaluation else ""))


def _catch_signals(caught: list) -> None:
    """Note the first SIGINT or SIGTERM, so that the update under way can end; the second ends the program at once."""

    def note(number, frame):
        if caught:
            os._exit(128 + number)
        caught.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            signal.signal(number, note)
        except ValueError:
            pass  # not in the main thread


class _log_file:
    """A function that writes a record as a line of JSON, to a file or nowhere."""

    def __init__(self, path, append):
        try:
            self.file = open(path, "a" if append else "w", encoding="utf-8") if path else None
        except OSError as error:
            raise CharlmError(f"cannot write {path}: {error.strerror}") from None

    def __enter__(self):
        return self._write

    def _write(self, record):
        if self.file:
            self.file.write(json.dumps(record) + "\n")
            self.file.flush()

    def __exit__(self, *error):
        if self.file:
            self.file.close()


@program.command()
@model_option
@setting("--count", AT_LEAST_1, "N", "How many samples.  [default: 1; 10 for a model of lines]")
@setting(
    "--length", AT_LEAST_1, "N", "Tokens of a sample, or the most a line may have.  [default: 500; 1000 for lines]"
)
@setting(
    "--temperature", click.FloatRange(0), "T", "Below 1 likelier text, above 1 stranger; 0: the likeliest token.", 1.0
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
def sample(model_path, count, seed, prime_file, interactive, as_json, quiet, **options):
    """Draw new text from a model.

    What holds <UNK> and what is copied from the training text is refused and drawn anew, as a whole: the sample, or
    its line where a stream is drawn. stderr tells what was asked, drawn and refused. The log_probability of --json is
    what charlm perplexity gives for the text.
    """
    _end_with_the_reader()
    from .acceptance import Tally
    from .display import refusals, say
    from .modelfile import load_model
    from .sampling import known_from, new_sampler

    options = {name: value for name, value in options.items() if value is not None}
    if interactive and ("fill" in options or "start_with" in options):
        raise UsageError("--interactive reads the beginnings: it goes with neither --start-with nor --fill")
    if prime_file is not None and "prime" in options:
        raise UsageError("--prime and --prime-file do not go together")
    if [prime_file, options.get("corpus"), "-" if interactive else None].count("-") > 1:
        raise UsageError("standard input can be one of --prime-file, --corpus and the beginnings of --interactive only")
    model = load_model(model_path)
    encoding = options["encoding"]
    seed = int.from_bytes(os.urandom(4)) if seed is None else seed
    count = count or (10 if model.lines else 1)
    if prime_file is not None:
        options["prime"] = _prime_from(prime_file, model, encoding)
    if "corpus" in options:
        options["corpus"] = known_from(model, options["corpus"], encoding, options.get("max_copied"))
    total = Tally()

    def draw(**more):
        sampler = new_sampler(model, count, **options | more)
        try:
            _show(sampler.pieces(), as_json)
        finally:
            total.add(sampler.tally)

    try:
        if interactive:
            _for_each_beginning(draw, seed, encoding)
        else:
            draw(seed=seed)
    finally:
        if not quiet and total.asked:
            known = options.get("corpus") or model.novelty
            unit = "sample" if model.lines or "fill" in options else "line"
            say(f"{refusals(total, unit, known and known.shortest_run)}; seed {seed}")


def _prime_from(path, model, encoding):
    from .corpus import read_text
    from .vocabulary import as_bytes

    pieces = read_text([path], model.vocabulary.level, encoding)
    text = b"".join(map(as_bytes, pieces)).decode("utf-8", "surrogateescape")
    return text.removesuffix("\n") if model.lines else text


def _show(pieces, as_json):
    """Write samples to stdout as they come, each with a line's end."""
    from .display import write_text

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


def _for_each_beginning(draw, seed, encoding):
    """Draw samples for each line of standard input. At a terminal Ctrl-C ends those under way, Ctrl-D all."""
    from .display import say

    if sys.stdin is None:
        raise CharlmError("standard input is closed")
    at_terminal = sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty()
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
    from .display import write_text

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


@program.command()
@click.option(
    "--model", "model_paths", required=True, multiple=True, metavar="FILE", help="The model; several are compared."
)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--per-line", is_flag=True, help="A row a line: number, tokens, unknown, nats, bits per character, text.")
@click.option("--per-token", is_flag=True, help="A row a token: token, log-probability, rank, entropy; in nats.")
@click.option("--color", is_flag=True, help="Show the text, each token painted by its surprise in bits.")
@click.option("--html", metavar="PAGE", help="Write the most surprising lines to a web page, with what was likelier.")
@click.option("--baselines", metavar="CORPUS", help="Add what unigrams, n-grams and xz make of it, given this text.")
@as_json
@encoding
@threads
def perplexity(model_paths, files, per_line, per_token, color, html, baselines, as_json, encoding, threads):
    """Measure how surprising text is to a model: of files, or of standard input (-, or no FILE).

    Every <EOS> (line end) and every <UNK> counts as a token. A model trained with --lines reads each line by itself,
    and a blank one has no tokens; to any other model the text is one stream, and a line's figures are those of its
    tokens given all lines before. Either way the lines add up to the total.

    Several --model are ranked by bits per byte: only by these can models of different vocabularies be compared, and
    on one and the same text. --per-line and --per-token print TSV, or with --json an object a row.
    """
    _end_with_the_reader()
    from .display import baseline_lines, paint, say, score_lines, standing_lines, write_text
    from .levels import passages, perplexity_of_files, rows_of_files, text_blocks
    from .modelfile import load_model

    files = files or ("-",)
    views = {"--per-line": per_line, "--per-token": per_token, "--color": color, "--html": html}
    _check_views(views | {"--baselines": baselines}, len(model_paths) > 1, as_json, [*files, baselines].count("-") > 1)
    models = [load_model(path) for path in model_paths]
    model = models[0]
    if "-" in files and sys.stdin is not None and sys.stdin.isatty():
        say("reading standard input; Ctrl-D at the beginning of a line ends it")
    options = {"encoding": encoding, "threads": threads}
    if per_line or per_token:
        for rows in rows_of_files(model, files, level="line" if per_line else "token", as_json=as_json, **options):
            write_text(rows)
        return
    if color:
        paint(
            (passage for (passage,) in passages(models, text_blocks(models, files, True, encoding), (), threads)), model
        )
        return
    if len(models) > 1:
        from .comparing import compare_files

        standings, units = compare_files(models, model_paths, files, **options)
        if as_json:
            lines = [json.dumps(standing.as_dict()) for standing in standings]
        else:
            lines = standing_lines(standings, units.size)
    elif html:
        from .page import check_place, score_with_page

        check_place(html, [*files, *model_paths])
        score = score_with_page(model, files, html, model_paths[0], **options)
        lines = [json.dumps(score.as_dict())] if as_json else score_lines(score, model.vocabulary.level)
    elif baselines:
        from .comparing import score_with_baselines

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


@program.command()
@click.argument("model_path", metavar="MODEL")
@as_json
def info(model_path, as_json):
    """Show what is in a model file: network, vocabulary, what it was trained on and how well."""
    _end_with_the_reader()
    from .display import info_lines, write_text
    from .modelfile import load_model, model_header

    model = load_model(model_path)
    if as_json:
        header = model_header(model) | {"parameters": model.architecture.number_of_parameters}
        header["novelty"] = model.novelty and model.novelty.summary()
        write_text(json.dumps(header) + "\n")
    else:
        write_text("\n".join(info_lines(model, model_path, os.path.getsize(model_path))) + "\n")
