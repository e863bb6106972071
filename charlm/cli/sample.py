"""charlm sample: model file → new text."""

import json
import os
import sys

from ..errors import CharlmError, PromptError, SamplingError, UsageError
from ..options import JSON, MODEL, QUIET
from ..sampling.options import SAMPLING
from .options import command, load_language_model
from .signals import end_with_the_reader


@command(
    [MODEL, *SAMPLING, JSON, QUIET],
    first=("model_path", "count", "length", "temperature", "start_with"),
    examples=(
        "charlm sample -m names.npz --count 20 --unique",
        'charlm sample -m verse.npz --temperature 0.8 --start-with "Once "',
        'charlm sample -m names.npz --fill "Tyr____us" --count 5',
    ),
)
def sample(model_path, given, count, seed, prime_file, interactive, as_json, quiet, **options):
    """Sample new text from a model.

    charlm rejects samples that contain <UNK> or copy the training text, and samples again; a model of subwords also
    rejects those whose text is cut into other subwords than it sampled. For a model of a stream, charlm rejects only
    the line, not the whole sample. The last line on stderr says how many samples were asked for, sampled
    and rejected, and why. With --json, log_probability is the value that charlm perplexity computes for the same text.
    """
    end_with_the_reader()
    from dataclasses import replace

    from ..display.scores import sampling_progress
    from ..display.waiting import Waiting
    from ..sampling.decoding import Decoding
    from ..sampling.rules import SamplingCounts
    from ..sampling.sampler import new_sampler

    options = {name: value for name, value in options.items() if value is not None}
    _check_inputs(options, prime_file, interactive)
    model, length = load_language_model(model_path, given), options.pop("length", None)
    with Waiting(lambda: "reading the text of --corpus …; Ctrl-C ends", quiet or "corpus" not in options):
        options = _sampling_options(model, options, prime_file)
    count = count or (10 if model.lines and not Decoding.of(options).is_certain else 1)
    seed = int.from_bytes(os.urandom(4)) if seed is None else seed
    counts = SamplingCounts()

    unit = "sample" if model.lines or options.fill else "line"

    def write_samples(**changes):
        sampler = new_sampler(model, count, length, replace(options, **changes))
        try:
            with Waiting(lambda: sampling_progress(sampler.counts, unit), quiet) as waiting:
                _write(sampler.pieces(), as_json, waiting, model.vocabulary.form.separator)
        finally:
            counts.add(sampler.counts)

    try:
        if interactive:
            _for_each_beginning(write_samples, seed, options.encoding, quiet)
        else:
            write_samples(seed=seed)
    finally:
        if not quiet and counts.asked:
            _summarize(model, options, counts, unit, count, seed)


def _check_inputs(options, prime_file, interactive):
    """Raise UsageError where options conflict, or where several read standard input."""
    if interactive and ("fill" in options or "start_with" in options):
        raise UsageError("--interactive reads the beginnings: it goes with neither --start-with nor --fill")
    if prime_file is not None and "prime" in options:
        raise UsageError("--prime and --prime-file do not go together")
    if [prime_file, options.get("corpus"), "-" if interactive else None].count("-") > 1:
        raise UsageError("only one of --prime-file, --corpus and the beginnings of --interactive can be standard input")


def _sampling_options(model, options, prime_file):
    """The options as ``SamplingOptions``, with the files that they name read."""
    from dataclasses import replace

    from ..sampling.rules import training_text
    from ..sampling.settings import SamplingOptions

    if prime_file is not None:
        options = options | {"prime": _prime_from(prime_file, model, options["encoding"])}
    options = SamplingOptions(**options)
    return options if options.corpus is None else replace(options, corpus=training_text(model, options))


def _prime_from(path, model, encoding):
    from ..text.reading import read_text
    from ..text.vocabulary import as_bytes

    pieces = read_text([path], model.vocabulary.level, encoding)
    text = b"".join(map(as_bytes, pieces)).decode("utf-8", "surrogateescape")
    return text.removesuffix("\n") if model.lines else text


def _summarize(model, options, counts, unit, count, seed):
    """Say on stderr how much was sampled and rejected."""
    from ..display import say
    from ..display.scores import sampling_summary
    from ..sampling.decoding import Decoding

    known = options.corpus or model.novelty
    summary = sampling_summary(counts, unit, known and known.shortest_run)
    certain = Decoding.of(options).is_certain and count > 1 and not options.unique
    same = "; all samples are the same, because only the most likely token is sampled" if certain else ""
    say(f"{summary}{same}; seed {seed}")


def _write(pieces, as_json, waiting, separator=None):
    """Write samples to stdout as they come, each with a line's end. waiting: see ``display.waiting``. separator: the
    line between two of them, None for none."""
    from ..display import write_text as write_now

    def write_text(text):
        with waiting.shows():
            write_now(text)

    number, inside = 0, False  # inside: the line that was written last has no end
    try:
        for piece in pieces:
            if as_json:
                if piece.sample is not None:
                    write_text(json.dumps(piece.sample.as_dict()) + "\n")
                continue
            before = "\n" if inside and piece.number != number else ""
            if separator is not None and piece.number != number:
                before += f"{separator}\n"
            write_text(before + piece.text)
            number, inside = piece.number, not piece.text.endswith("\n")
            if piece.sample is not None and inside:
                write_text("\n")
                inside = False
    finally:
        if inside:
            write_text("\n")


def _for_each_beginning(write_samples, seed, encoding, quiet):
    """Write samples for each line of standard input. At a terminal, Ctrl-C ends this line's samples, Ctrl-D all."""
    from ..display import say

    if sys.stdin is None:
        raise CharlmError("standard input is closed")
    at_terminal = sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty()
    if at_terminal and not quiet:
        say("type the beginning of a sample, and press Enter; Ctrl-D on an empty line ends")
    failed = False
    for number, beginning in enumerate(_typed() if at_terminal else _piped(encoding)):
        try:
            write_samples(start_with=beginning, seed=(seed, number))
        except (PromptError, SamplingError) as error:
            say(f"charlm: {' '.join(_for_typed(str(error)).split())}")
            failed = True
        except KeyboardInterrupt:
            if not at_terminal:
                raise
    if failed and not at_terminal:
        raise CharlmError("charlm could not continue every beginning; the messages above say why")


def _for_typed(message):
    """An error about a beginning that was typed, without the option that would give one."""
    return message.replace("the beginning (--start-with)", "this beginning").replace(
        "give --start-with", "type a beginning"
    )


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
