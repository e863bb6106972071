"""Model + files → the hidden states of the top layer, at each token or after each line: rows, or an ``.npz`` file.

The kernels read lines side by side, or a stream in chunks with their burn-in, as scoring does (``network.measuring``).
The state after a token is the one from which the next token is predicted. That of a line is the state after its last
token, from which its end is predicted. A classifier reads a line whole, and has one state for it.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import CharlmError, UsageError
from ..files import atomic_file
from ..model import Model
from ..network.measuring import BURN_IN, CHUNK, ROWS, STEPS, Spans, chunks, spans
from ..network.threads import ThreadPool
from ..options import THREADS
from ..portable.archive import ArrayArchive
from ..tasks.examples import by_length, encode_texts
from ..text.batches import windows
from ..text.corpus import line_starts
from ..text.vocabulary import EOS
from .blocks import blocks, clean, text_blocks
from .rows import escaped, in_one_line
from .states import HiddenStates, check_has_states, hidden_states, token_names

PART = 1 << 15  # tokens whose states are in memory at once; whole lines, so that a longer line takes more

LONGEST_NAME = 100  # characters of a symbol in a file


@dataclass
class StateRows:
    """Some rows: the number of the line of each, from 1, int64 (n); its token's id, (n), None for rows of lines; its
    state, float32 (n, W); the texts of the lines, (n), None for rows of tokens."""

    lines: np.ndarray
    tokens: np.ndarray | None
    states: np.ndarray
    texts: list[str] | None


class _LanguageModelStates:
    """Reads a text part by part, and gives the states of the top layer of a language model."""

    def __init__(self, model: Model, threads: int | None, by_line: bool):
        from ..network.stack import Stack

        self.lines, self.by_line = model.lines, by_line
        self._stack = Stack(model.architecture, model.parameters, ThreadPool(threads), head=lambda *_: None)
        self._stack.pack(for_training=False)
        self._position, self._past = 0, np.zeros(0, model.vocabulary.dtype)
        self._made: dict[int, object] = {}

    def read(self, tokens: np.ndarray) -> np.ndarray:
        """The states after the next tokens of the text, ids (n), which are whole lines: (n, W); or after each line."""
        if self.lines:
            return self._of_lines(tokens)
        start, stop = self._position, self._position + len(tokens)
        local, offset = np.concatenate((self._past, tokens, [EOS])).astype(tokens.dtype), start - len(self._past)
        wanted = np.zeros(len(local), bool)
        here = wanted[len(self._past) :]
        if self.by_line:
            here[:-1] = tokens == EOS
        else:
            here[1:] = True
        self._position, self._past = stop, local[:-1][-(CHUNK + BURN_IN + 1) :]
        return self._before(local, chunks(start, stop + 1).shifted(-offset), wanted)

    def _of_lines(self, tokens):
        lines = spans(tokens, True)
        if self.by_line:
            return self._before(tokens, lines, tokens == EOS)
        following = np.arange(1, len(tokens) + 1)
        following[lines.stop - 1] = lines.start  # after a line's end comes the beginning of a line
        return self._before(tokens, lines, np.ones(len(tokens), bool))[following]

    def _before(self, tokens, spans: Spans, wanted) -> np.ndarray:
        """The states before the tokens at the wanted positions. tokens: ids (n); wanted: bool (n)."""
        numbers = np.cumsum(wanted) - 1
        found = np.empty((int(wanted.sum()), self._stack.architecture.hidden), np.float32)
        order = np.argsort(spans.start - spans.stop, kind="stable")  # the longest first
        for first in range(0, len(order), ROWS):
            chosen = order[first : first + ROWS]
            starts, stops, scored = spans.start[chosen], spans.stop[chosen], spans.scored[chosen]
            window, step = self._window(len(chosen)), 0
            window.reset()
            for batch in windows(tokens, starts, stops, STEPS, window.rows):
                window.forward(batch.inputs, batch.targets)
                out = window.layers[-1].out[: len(batch.inputs), : len(chosen)]
                positions = starts + step + np.arange(len(out))[:, None]
                inside = (positions >= scored) & (positions < stops)
                inside[inside] = wanted[positions[inside]]
                found[numbers[positions[inside]]] = out[inside]
                step += len(out)
        return found

    def _window(self, sequences):
        from ..network.sequences import padded_size
        from ..network.stack import StackWindow

        rows = min(ROWS, padded_size(sequences))
        if rows not in self._made:
            self._made[rows] = StackWindow(self._stack, STEPS, rows)
        return self._made[rows]


class _ClassifierStates:
    """Gives the states of the top layer of a classifier, from which it predicts the label; for a bidirectional network
    those of both directions, each of which has read the whole line."""

    def __init__(self, model: Model, threads: int | None):
        from ..network.sequences import Windows
        from ..network.stack import Stack

        stack = Stack(model.architecture, model.parameters, ThreadPool(threads), head=lambda *_: None, at_end=True)
        stack.pack(for_training=False)
        self._windows, self._task, self._vocabulary = Windows(stack, ROWS), model.task, model.vocabulary
        self._width = model.architecture.state_size

    def read(self, texts: list[str]) -> np.ndarray:
        """The state after each text, (texts, W)."""
        sequences = encode_texts(self._vocabulary, texts)
        found = np.empty((len(texts), self._width), np.float32)
        for chosen in by_length(sequences.lengths, PART):
            batch = self._task.batch(sequences, chosen)
            found[chosen] = self._windows.summaries(batch.inputs, batch.lengths)[0][: len(chosen)]
        return found


def state_rows(
    model: Model, text: Iterator[str | bytes], by_line: bool = False, threads: int | None = None
) -> Iterator[StateRows]:
    """The states of a text in blocks of whole lines, as ``text_blocks`` gives them, part by part.

    by_line: after each line, blank lines included; else after each token. Raises UsageError for a model whose task or
    network has no such states.
    """
    check_has_states(model, by_line)
    before = 0
    if model.task.name == "classify":
        classifier = _ClassifierStates(model, threads)
        for block in text:
            texts = _texts(block)
            states = classifier.read(texts)
            yield StateRows(np.arange(before + 1, before + 1 + len(texts)), None, states, texts)
            before += len(texts)
        return
    reader = _LanguageModelStates(model, threads, by_line)
    for block in text:
        tokens = model.vocabulary.encode(block)
        texts = list(map(model.vocabulary.form.outside, _texts(block))) if by_line else []
        starts = line_starts(tokens)
        for first, last in _parts(starts):
            part, numbers = tokens[starts[first] : starts[last]], np.arange(before + first + 1, before + last + 1)
            states = reader.read(part)
            if by_line:
                yield StateRows(numbers, None, states, texts[first:last])
            else:
                yield StateRows(np.repeat(numbers, np.diff(starts[first : last + 1])), part, states, None)
        before += len(starts) - 1


def _texts(block):
    text = block.decode("utf-8", "surrogateescape") if isinstance(block, bytes) else block
    return text.removesuffix("\n").split("\n")


def _parts(starts: np.ndarray) -> Iterator[tuple[int, int]]:
    """The lines first … last - 1 of parts of at most PART tokens. starts: of the lines, and where the last one
    stops."""
    first = 0
    while first < len(starts) - 1:
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + PART, "right")) - 1)
        yield first, last
        first = last


def states_of_files(
    model: Model, paths, by_line: bool, encoding: str = "utf-8", threads: int | None = None
) -> Iterator[StateRows]:
    """The states of some files, see ``state_rows``; "-" is standard input. Raises CorpusError if they hold no text."""
    check_has_states(model, by_line)
    return state_rows(model, text_blocks([model], paths, True, encoding), by_line, threads)


def states_of_text(model: Model, text: str, by: str, threads: int | None = None) -> HiddenStates:
    """The states of a text from memory, by "token" or by "line"; see ``charlm.states``."""
    if not isinstance(by, str) or by not in ("token", "line"):
        raise UsageError(f"by must be 'token' or 'line', not {by!r:.60}")
    threads = THREADS.check(threads)
    check_has_states(model, by == "line")
    if by == "token":
        return hidden_states(model, text)
    parts = [rows.states for rows in state_rows(model, blocks(clean(text, model.vocabulary), True), True, threads)]
    none = np.zeros((0, model.architecture.state_size), np.float32)
    return HiddenStates(np.concatenate([none, *parts])[None], None)


def as_text(model: Model, found: Iterator[StateRows], as_json: bool) -> Iterator[str]:
    """The rows as tab-separated columns, or as JSON objects: of a token its line, the token, the numbers of its state;
    of a line its number, the numbers of its state, and last its text."""
    names = token_names(model.vocabulary)
    for rows in found:
        shown = rows.texts if rows.tokens is None else [names[token] for token in rows.tokens.tolist()]
        kind = "text" if rows.tokens is None else "token"
        lines = []
        for line, text, state in zip(rows.lines.tolist(), shown, rows.states, strict=True):
            if as_json:
                numbers = [float(f"{number:.6g}") for number in state.tolist()]
                lines.append(json.dumps({"line": line, kind: text, "state": numbers}))
                continue
            numbers = "\t".join(f"{number:.6g}" for number in state.tolist())
            last = rows.tokens is None  # the text
            lines.append(f"{line}\t{numbers}\t{in_one_line(text)}" if last else f"{line}\t{escaped(text)}\t{numbers}")
        yield "".join(line + "\n" for line in lines)


# The file


def is_states_file(path) -> bool:
    """Whether a file looks like one that ``write_states`` wrote."""
    with open(path, "rb") as file:
        beginning = file.read(40)
    return beginning.startswith(b"PK\3\4") and beginning[30:] == b"states.npy"


def write_states(path, model: Model, found: Iterator[StateRows]) -> int:
    """Write the rows to an ``.npz`` file, whole or not at all, and return their number.

    The arrays: ``states``, float32 (n, W); ``lines``, int64 (n), the number of each row's line, from 1; for rows of
    tokens also ``tokens``, ids (n), and ``symbols``, the text of each id, LONGEST_NAME characters of it at most, (V).
    The rows go through temporary files in the same folder, because the beginning of an array tells its length. Raises
    CharlmError where a file cannot be written.
    """
    folder = Path(path).parent
    try:
        with (
            tempfile.TemporaryFile(dir=folder) as states,
            tempfile.TemporaryFile(dir=folder) as lines,
            tempfile.TemporaryFile(dir=folder) as tokens,
        ):
            number, width, of_tokens = 0, 0, False
            for rows in found:
                number, width = number + len(rows.lines), rows.states.shape[1]
                states.write(np.ascontiguousarray(rows.states, "<f4"))
                lines.write(np.ascontiguousarray(rows.lines, "<i8"))
                if rows.tokens is not None:
                    of_tokens = True
                    tokens.write(np.ascontiguousarray(rows.tokens))
            with atomic_file(path) as file, ArrayArchive(file) as archive:
                archive.add_pieces("states", np.dtype("<f4"), (number, width), _pieces(states))
                archive.add_pieces("lines", np.dtype("<i8"), (number,), _pieces(lines))
                if of_tokens:
                    archive.add_pieces("tokens", np.dtype(model.vocabulary.dtype), (number,), _pieces(tokens))
                    archive.add("symbols", _symbols(model))
    except OSError as error:
        raise CharlmError(f"cannot write {path}: {error.strerror or error}") from None
    return number


def _symbols(model):
    """The texts of all ids in an array of strings, which gives each the room of the longest: so they are cut."""
    return np.array([name[:LONGEST_NAME] for name in token_names(model.vocabulary)])


def _pieces(source):
    """The bytes of a file, from its beginning."""
    source.seek(0)
    return iter(lambda: source.read(1 << 20), b"")
