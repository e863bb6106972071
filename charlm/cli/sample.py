"""charlm sample: model file → new text."""

import json
import os
import sys

from ..errors import CharlmError, PromptError, SamplingError, UsageError
from ..options import JSON, MODEL, QUIET
from ..ranks import check_input, job
from ..sampling.options import SAMPLING
from ..text.layout import is_terminal_output
from .options import command, load_language_model
from .signals import end_with_the_reader

BETWEEN, CUT = "─" * 8, "[…]"  # what a terminal shows between the samples of a stream, and where one is cut


@command(
    [MODEL, *SAMPLING, JSON, QUIET],
    first=("model_path", "count", "length", "temperature", "start_with"),
    examples=(
        "charlm sample -m names.npz --count 20 --unique",
        'charlm sample -m verse.npz --temperature 0.8 --start-with "Once "',
        'charlm sample -m names.npz --fill "Tyr____us" --count 5',
    ),
)
def sample(*, model_path, given, count, seed, prime_file, interactive, midi, as_json, quiet, **options):
    """Sample new text from a model, or sequences of sets from a model of --task chords.

    charlm rejects samples that contain <UNK> or copy the training text, and samples again; a model of subwords also
    rejects those whose text is cut into other subwords than it sampled. For a model of a stream, charlm rejects only
    the line, not the whole sample. The last line on stderr says how many samples were asked for, sampled
    and rejected, and why. With --json, log_probability is the value that charlm perplexity computes for the same text.

    A sample of sets has a line for each step, and a blank line stands between two samples; none is rejected.

    With --interactive, each line gets --count samples; where there are fewer, an error ends them: with --json a row
    {"error": …, "start_with": …}, in a pipe an empty line.
    """
    end_with_the_reader()
    from dataclasses import replace

    from ..display.scores import sampling_progress
    from ..display.waiting import Waiting
    from ..sampling.decoding import Decoding
    from ..sampling.rules import SamplingCounts
    from ..sampling.sharing import shared_sampler

    options = {name: value for name, value in options.items() if value is not None}
    _check_inputs(options, prime_file, interactive)
    model, length = load_language_model(model_path, given, ("chords",)), options.pop("length", None)
    if model.task.name == "chords":
        _write_sets(model, count, length, options, (prime_file, interactive, seed, midi), as_json, quiet)
        return
    if midi is not None:
        raise UsageError("--midi is for a model of --task chords; leave it out")
    with Waiting(lambda: "reading the text of --corpus …; Ctrl-C ends", quiet or "corpus" not in options):
        options = _sampling_options(model, options, prime_file)
    searches, is_certain = options.most_likely is not None, Decoding.of(options).is_certain
    count = count or (10 if model.lines and not is_certain and not searches else 1)
    seed = int.from_bytes(os.urandom(4)) if seed is None else seed
    counts = SamplingCounts()

    unit, ranks = "sample" if model.lines or options.fill else "line", job()

    def write_samples(start_with=options.start_with, **changes):
        sampler = shared_sampler(ranks, model, count, length, replace(options, start_with=start_with, **changes))
        more = {"start_with": start_with} if interactive or start_with else {}
        try:
            with Waiting(lambda: sampling_progress(sampler.counts, unit), quiet) as waiting:
                if as_json:
                    _write_rows(sampler.pieces(), waiting, more)
                else:
                    _write_texts(sampler.pieces(), waiting, unit == "line", model.vocabulary.form.separator)
        finally:
            counts.add(sampler.counts)

    try:
        if interactive:
            _for_each_beginning(write_samples, seed, options.encoding, quiet=quiet, as_json=as_json)
        else:
            write_samples(seed=seed)
    finally:
        if not quiet and counts.asked:
            notes = [*_notes(options, unit, options.most_likely or count, as_json), *[f"seed {seed}"] * (not searches)]
            _summarize(model, options, counts, unit, notes)


def _check_inputs(options, prime_file, interactive):
    """Raise UsageError where options conflict, or where several read standard input."""
    if interactive and ("fill" in options or "start_with" in options):
        raise UsageError("--interactive reads the beginnings: it goes with neither --start-with nor --fill")
    if interactive:
        check_input()
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


def _summarize(model, options, counts, unit, notes):
    """Say on stderr how much was sampled and rejected. notes: what else there is to say."""
    from ..display import say
    from ..display.scores import sampling_summary

    known = options.corpus or model.novelty
    say("; ".join((sampling_summary(counts, unit, known and known.surest_run), *notes)))


def _notes(options, unit, count, as_json):
    """What a person should know about the samples as they were written."""
    from ..sampling.decoding import Decoding

    if count > 1 and Decoding.of(options).is_certain and not options.unique:
        yield "all samples are the same, because only the most likely token is sampled"
    if count > 1 and unit == "line" and not as_json and not is_terminal_output():
        yield "nothing marks where a sample of the stream ends; --json prints one object per sample"


# Sequences of sets


def _write_sets(model, count, length, options, files, as_json, quiet):
    """Write samples of a model of --task chords. files: the options prime_file, interactive, seed and midi."""
    from dataclasses import replace

    from ..display import say
    from ..display.waiting import Waiting
    from ..sampling.midi import check_midi_path, pitches_of, write_midi
    from ..sampling.sharing import shared_sampler
    from ..tasks.summary import number_of

    prime_file, interactive, seed, midi = files
    if interactive:
        raise UsageError("--interactive is for text; give a model of --task chords its beginning with --start-with")
    pitches = {}
    if midi is not None:
        pitches = pitches_of(model.vocabulary.symbols)
        check_midi_path(midi, [path for path in (prime_file,) if path is not None])
    seed = int.from_bytes(os.urandom(4)) if seed is None else seed
    options = replace(_sampling_options(model, options, prime_file), seed=seed)
    sampler, heard = shared_sampler(job(), model, count or 1, length, options), []

    def pieces():
        for piece in sampler.pieces():
            if midi is not None:
                steps = map(str.split, piece.text.splitlines())
                heard.append([[pitches[symbol] for symbol in step if symbol in pitches] for step in steps])
            yield piece

    def sampled():
        return f"sampled {number_of(sampler.counts.found, 'sequence')} of {number_of(sampler.length, 'step')}"

    with Waiting(lambda: f"{sampled()}; Ctrl-C ends", quiet) as waiting:
        if as_json:
            _write_rows(pieces(), waiting, {"start_with": options.start_with} if options.start_with else {})
        else:
            _write_texts(pieces(), waiting, is_stream=False, separator="")
    if midi is not None:
        write_midi(midi, heard)
    if not quiet:
        say(f"{sampled()}; seed {seed}")
        if midi is not None:
            say(f"wrote {midi}")


# How samples are written


def _show(waiting, text):
    from ..display import write_text

    with waiting.shows():
        write_text(text)


def _write_rows(pieces, waiting, more):
    """Write one JSON object per sample. more: what each of them has besides the sample."""
    for piece in pieces:
        if piece.sample is not None:
            _show(waiting, json.dumps(piece.sample.as_dict() | more) + "\n")


def _write_texts(pieces, waiting, is_stream, separator):
    """Write samples as they come, each with a line's end. On a terminal, a line stands between the samples of a stream,
    and CUT where the length has cut one; a pipe gets the text alone. separator: the line between items of several
    lines, None where an item is a line."""
    marked = is_stream and is_terminal_output()
    number, inside = 0, False  # inside: the line that was written last has no end
    try:
        for piece in pieces:
            between = "\n" * inside + f"{BETWEEN}\n" * marked if piece.number != number else ""
            if separator is not None and piece.number != number:
                between += f"{separator}\n"
            end = CUT if marked and piece.sample and not piece.sample.ended else ""
            text = between + piece.text + end
            _show(waiting, text)
            number, inside = piece.number, not text.endswith("\n")
            if piece.sample is not None and inside:
                _show(waiting, "\n")
                inside = False
    finally:
        if inside:
            _show(waiting, "\n")


# Beginnings from standard input


def _for_each_beginning(write_samples, seed, encoding, *, quiet, as_json):
    """Write samples for each line of standard input: as many as are asked for, or those before an error and then the
    error. As JSON the error is a row; in a pipe it is an empty line, and words on stderr. So a program that reads
    always knows where it stands. At a terminal, Ctrl-C ends this line's samples, Ctrl-D all."""
    from ..display import say, write_text

    if sys.stdin is None:
        raise CharlmError("standard input is closed")
    at_terminal = sys.stdin.isatty() and is_terminal_output()
    if at_terminal and not quiet:
        say("type the beginning of a sample, and press Enter; Ctrl-D on an empty line ends")
    failed = False
    for number, (beginning, why_not) in enumerate(_typed() if at_terminal else _piped(encoding)):
        try:
            if why_not:
                raise PromptError(why_not)
            write_samples(start_with=beginning, seed=(seed, number))
        except (PromptError, SamplingError) as error:
            failed, message = True, " ".join(_for_typed(str(error)).split())
            if as_json:
                write_text(json.dumps({"error": message, "start_with": beginning}) + "\n")
            else:
                say(f"charlm: {message}")
                write_text("" if at_terminal else "\n")
        except KeyboardInterrupt:
            if not at_terminal:
                raise
    if failed and not at_terminal:
        where = "the rows with an error" if as_json else "the messages above"
        raise CharlmError(f"charlm could not continue every beginning; {where} say why")


def _for_typed(message):
    """An error about a beginning that was typed, without the option that would give one."""
    return message.replace("the beginning (--start-with)", "this beginning").replace(
        "give --start-with", "type a beginning"
    )


def _typed():
    """(line, "") of each line that a person types."""
    from ..display import write_text

    try:
        import readline  # noqa: F401  (input() then lets a line be edited)
    except ImportError:
        pass
    while True:
        try:
            yield input("> "), ""
        except EOFError:
            write_text("\n")  # the shell's prompt gets a line of its own
            return


def _piped(encoding):
    """(line, why it is no beginning, or "") of each line of standard input, as soon as it is there."""
    from ..text.reading import check_encoding

    if "\n".encode(check_encoding(encoding)) != b"\n":
        raise UsageError(
            f"--interactive cannot read lines in {encoding}: convert them to UTF-8 first (iconv does that)"
        )
    for number, line in enumerate(iter(sys.stdin.buffer.readline, b"")):
        line, why_not = line.removesuffix(b"\n").removesuffix(b"\r"), ""
        try:
            text = line.decode(encoding)
        except UnicodeError:
            text = line.decode(encoding, "backslashreplace")
            why_not = f"this beginning is not {encoding.upper()}; name the encoding with --encoding"
        yield (text if number else text.removeprefix("\ufeff")), why_not
