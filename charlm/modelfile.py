"""Model ⇄ one .npz file.

The file is an uncompressed zip archive of arrays in NumPy's .npy format 1.0, and ``numpy.load`` opens it without
pickles. ``portable/archive.py`` writes it, so that the same model is always the same bytes.

    header       uint8 (bytes), the first member: a JSON object in ASCII, see below
    parameters   float32 or float16 (see ``store``), little-endian: a member for each, with the names and shapes of
                 ``Architecture.shapes`` (layer1.W_x, …, W_ya, b_y)
    novelty      uint8 (line_bytes + run_bytes, and those of held_out): the bits of Bloom filters, first that of the
                 training text's lines, then that of its runs, then those of the held-out part, then all of these of
                 earlier texts (see text/novelty.py); only if charlm kept them
    ngrams_…     the n-grams of a mixture, see text/ngrams.py: ngrams_children (how many n-grams have this one as their
                 history; none for those of the highest order) and ngrams_tokens (the last token; none for single
                 tokens), in the smallest unsigned type; ngrams_own and ngrams_backoff (codes), uint8

The header has these keys:

    format        1: from before charlm kept ``novelty``. 2: a language model with a recurrent cell. 3: a model of
                  another task, or with the feed-forward cell by its old name, window. 4: a model with the feed-forward
                  cell. 5: a model whose novelty counts what is said, with usual_run and held_out. 6: a model with a
                  mixture, or of subwords. 7: a model whose text is normalised, or has items of several lines; a model
                  of tokens; a model of a task with columns, a scheme or multi_label. 8: a model with records of earlier
                  texts; a model stored in float16. 9: a network whose input is vectors. charlm reads all nine and
                  writes the earliest that describes the model, from 2 on.
    kind          "model" ("checkpoint" for the files of learning/checkpoint.py, which have other arrays and more keys;
                  charlm reads the best parameters of such a file as a model)
    charlm        the version that wrote the file
    architecture  the fields of ``Architecture``, or of the subclass that the task uses: vocabulary_size, cell, hidden,
                  layers, embedding, tied, and those of outputs, bidirectional, context, channels, words_size that
                  apply
    vocabulary    level ("char", "subword", "word", "token" or "byte") and symbols: a list of strings, or of byte
                  values, from id 2 on. A vocabulary of subwords also has merges: [[left id, right id], …]. Its last
                  symbols are what the merges make, in their order; the symbols before them are characters (see
                  text/subwords.py). From format 7 on also normalize and separator, where they are not the usual ones:
                  see text/forms.py
    lines         whether each line is a sequence of its own
    store         "float16" where that is the type of the parameters; missing for float32
    training      how the model was made: settings, corpus {names, sha256, bytes, train_tokens, held_out_tokens,
                  unknown_share, held_out_unknown_share}, step, tokens, valid_loss, history [[step, train loss,
                  held-out loss], …], curve {training [[step, loss], …], held_out [[step, loss], …]}; of a model that
                  went on with another one also ancestry [{name, sha256 of its file, seed, corpus, step, tokens,
                  valid_loss, base_loss}, …], the last one first, and base_loss, which that model had on the held-out
                  part; with --also-valid, also_valid {names, sha256, held_out_tokens, before, after}; with --store
                  float16, unrounded, the held-out loss before; and, in the file of an unfinished training only,
                  unfinished {id, progress}: see learning/record.py
    novelty       run, window, line_bytes, line_hashes, run_bytes, run_hashes; only with the member ``novelty``. From
                  format 5 on also usual_run, and held_out: null, or the same fields of the held-out part. In format 8
                  earlier: a list of the same fields for each earlier text
    ngrams        order, sizes, histories, siblings, most_children, has_unknown (see ``NGrams.fields``), and weights
                  [[network, n-grams], …] by the length of the history; only with the members ``ngrams_…``
    task          name, and the fields of the task: labels (classify, generate), and multi_label: true where a line may
                  have several; tags, words, bio and, if it is not BIO, scheme (tag); longest (translate); length, the
                  steps of a usual sequence (chords; its vocabulary is of level "token"); columns (the fields of
                  ``text.columns.Columns``) where the files are tables; vectors (names, mean and deviation of
                  each channel and, where the network reads them, slopes: see vectors/channels.py) where the
                  input is vectors; missing for a language model without columns
    sha256        of the parameters in the order of ``Architecture.shapes``, then of novelty, then of the ngrams_… as
                  named above: for each array its name, a zero byte and its data

charlm writes the file under another name in the same folder, reads it back, and then moves it to its name. When it
reads a file it trusts nothing in it: it checks names, types, shapes and sizes against each other before it allocates an
array.
"""

import dataclasses
import hashlib
import io
import json
import math
import os
import textwrap
import zipfile
from typing import BinaryIO

import numpy as np

from ._version import __version__
from .errors import ModelFileError
from .files import atomic_file, no_place_for
from .network.architecture import OPTIONAL, Architecture, views
from .network.mixture import MOST_WEIGHT, Mixture
from .options import MOST_SHARDS, STORED
from .portable.archive import ArrayArchive
from .tasks import Task, task_class
from .text.formats import begins_like_a_model
from .text.forms import LINE_FEED, NORMAL_FORMS, PLAIN, Form, is_separator
from .text.ngrams import ARRAYS, NGrams, array_shapes
from .text.novelty import check_fields, from_fields
from .text.vocabulary import Vocabulary

FORMAT = 2  # of a language model with a recurrent cell
TASK_FORMAT = 3  # of a model of another task; until format 4 of the feed-forward cell too, by its old name, window
FEEDFORWARD_FORMAT = 4  # of a model with the feed-forward cell
SQUEEZED_FORMAT = 5  # of a model whose record counts what is said, see text/novelty.py
MIXTURE_FORMAT = SUBWORD_FORMAT = 6  # of a model that mixes its network with n-grams; of a model of subwords
FORM_FORMAT = 7  # of a model whose text has a form of its own, see text/forms.py; of a model of tokens
COLUMNS_FORMAT = 7  # of a model that reads columns by name or number, of several labels, or of another scheme than BIO
EARLIER_FORMAT = 8  # of a model with records of earlier texts, see text/novelty.py
STORED_FORMAT = 8  # of a model whose parameters are stored in another type than float32
VECTOR_FORMAT = 9  # of a network whose input is vectors
NEWEST = 9  # charlm reads no later format
DIRECTORY = 1 << 20  # bytes of the directory of an archive, at most
FURTHER_ARRAYS = {"novelty", *ARRAYS}  # what a model may have besides parameters


def _digest(arrays: dict[str, np.ndarray]) -> str:
    """The SHA-256 of some arrays and their names, in hexadecimal digits."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(name.encode() + b"\0")
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_archive(path, header: dict, arrays: dict[str, np.ndarray], previous=None) -> None:
    """Write JSON and arrays to ``path``. If that fails, a file that was there before stays as it was.

    previous: where an existing file at ``path`` is kept. Raises ModelFileError if the file cannot be written.
    """
    try:
        with atomic_file(path, _check_whole, previous) as file:
            _write_members(file, header, arrays)
    except (OSError, zipfile.BadZipFile) as error:
        why = no_place_for(path) or getattr(error, "strerror", None) or error
        raise ModelFileError(f"cannot write {path}: {why}") from None


def _write_members(file: BinaryIO, header: dict, arrays: dict[str, np.ndarray]) -> None:
    text = _as_json(header | {"sha256": _digest(arrays)})
    with ArrayArchive(file) as archive:
        for name, array in {"header": np.frombuffer(text, np.uint8), **arrays}.items():
            archive.add(name, array)


def _as_json(header: dict) -> bytes:
    return json.dumps(header, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def is_model(path) -> bool:
    """Whether a file looks like one that ``write_archive`` wrote, complete or damaged."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return begins_like_a_model(file.read(40))


def _check_whole(path):
    """Read a new file back, so that a damaged file never replaces a good one."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged:
        raise OSError(None, f"{damaged} came back from the disk changed")


class _Invalid(Exception):
    """The reason why an archive is not a valid one."""


class _LimitedFile(io.BufferedReader):
    """A file that returns at most ``most`` bytes at a time."""

    most = 0

    def read(self, size=-1):
        if size is not None and size > self.most:
            raise _Invalid("one of its parts claims to be larger than the file allows")
        return super().read(size)


def read_archive(path, shapes_of, kind: str = "model") -> tuple[dict, dict[str, np.ndarray]]:
    """The header and the arrays, by name, of a file that ``write_archive`` wrote.

    shapes_of: header → the dtype and the shape of each array that the file must have, by name. kind: what the file
    should be, for messages. Raises ModelFileError.
    """
    try:
        if not os.path.isfile(path) and os.path.exists(path) and not os.path.isdir(path):
            raise _Invalid("it is not a regular file")  # opening a pipe would wait for its other end
        with _LimitedFile(io.FileIO(path)) as file:
            size = os.fstat(file.fileno()).st_size
            file.most = DIRECTORY
            with zipfile.ZipFile(file) as archive:
                file.most = size
                members = {member.filename: member for member in archive.infolist()}
                if len(members) != len(archive.infolist()):
                    raise _Invalid("two of its members have the same name")
                for member in members.values():
                    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                        raise _Invalid("it is compressed")
                if sum(member.file_size for member in members.values()) > size:
                    raise _Invalid("its members overlap")
                header = _read_header(archive, members, size)
                expected = shapes_of(header)
                if set(members) != {f"{name}.npy" for name in expected} | {"header.npy"}:
                    raise _Invalid("it does not have the arrays that its header describes")
                arrays = {
                    name: _read_array(archive, members[f"{name}.npy"], name, dtype, shape)
                    for name, (dtype, shape) in expected.items()
                }
        if _digest(arrays) != header.get("sha256"):
            raise _Invalid("its arrays do not match their SHA-256 digest")
        return header, arrays
    except ModelFileError:
        raise
    except FileNotFoundError:
        raise ModelFileError(f"there is no file {path}; check the name") from None
    except IsADirectoryError:
        raise ModelFileError(f"{path} is a folder, not a {kind}; name the {kind} file in it") from None
    except PermissionError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror}") from None
    except MemoryError:
        raise ModelFileError(f"there is not enough memory to load {path}") from None
    except Exception as error:  # zipfile, json and NumPy raise many kinds for hostile bytes
        raise ModelFileError(_why_not_ours(path, kind, error)) from None


def _why_not_ours(path, kind: str, error: Exception) -> str:
    """The message for a file that ``read_archive`` could not read."""
    remedy = "; name a file that charlm train -o wrote" if kind == "model" else ""
    if os.path.isfile(path) and not os.path.getsize(path):
        return f"{path} is empty, not a {kind} of charlm{remedy}"
    if str(path).endswith(".safetensors"):
        return (
            f"{path} is a file of weights, not a {kind} of charlm; make one of it first: charlm import {path} -o FILE"
        )
    if isinstance(error, zipfile.BadZipFile) and not is_model(path):
        return f"{path} is not a {kind} of charlm{remedy}"
    return f"{path} is not a {kind} of charlm, or it is damaged: {_reason(error)}"


def _reason(error: Exception) -> str:
    return textwrap.shorten(str(error) or type(error).__name__, 150, placeholder=" …")


def _open_array(archive, member):
    """Open a member and read its array header: (file, shape, dtype). The rest of the file is the data."""
    file = archive.open(member)
    if np.lib.format.read_magic(file) != (1, 0):
        raise _Invalid("one of its arrays is not in .npy format 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if fortran and len(shape) > 1:
        raise _Invalid("one of its arrays is in column order")
    return file, shape, dtype


def _read_data(file, member, shape, dtype):
    wanted = math.prod(shape) * dtype.itemsize
    if wanted > member.file_size:
        raise _Invalid("one of its arrays claims to be larger than the file")
    data = file.read()
    if len(data) != wanted:
        raise _Invalid("one of its arrays has another size than it claims")
    return np.frombuffer(data, dtype).reshape(shape)


def _read_header(archive, members, size) -> dict:
    if "header.npy" not in members:
        raise _Invalid("it has no header")
    file, shape, dtype = _open_array(archive, members["header.npy"])
    if dtype != np.uint8 or len(shape) != 1:
        raise _Invalid("its header is not an array of bytes")
    header = _parsed_header(str(_read_data(file, members["header.npy"], shape, dtype), "utf-8"), size)
    _check_format(header, archive.fp.name)
    return header


def _check_format(header: dict, path) -> None:
    if header["format"] > NEWEST:
        writer = textwrap.shorten(f"{header.get('charlm')}, format {header['format']}", 60, placeholder=" …")
        raise ModelFileError(
            f"{path} was written by a later charlm ({writer}); this is {__version__}, which reads up to "
            f"format {NEWEST}: upgrade charlm"
        )


def _parsed_header(text: str, size: int) -> dict:
    """A header from its JSON. size: of the file, in bytes."""
    if sum(map(text.count, ",[{")) > 1_000_000 + size // 64:  # each value takes far more memory than bytes in the file
        raise _Invalid("its header has too many values")
    header = json.loads(text, parse_float=_finite, parse_constant=_finite)
    if not isinstance(header, dict) or type(header.get("format")) is not int or header["format"] < 1:
        raise _Invalid("its header does not name a format")
    return header


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        raise _Invalid("its header has a number that is not finite")
    return number


def _read_array(archive, member, name, dtype, shape):
    file, found_shape, found_dtype = _open_array(archive, member)
    if found_dtype != dtype or found_shape != tuple(shape):
        raise _Invalid(f"its array {name} is {found_dtype} {found_shape} and should be {dtype} {tuple(shape)}")
    return _read_data(file, member, shape, dtype)


def check_readable(model) -> None:
    """Raise ModelFileError where charlm could not read the file of this model again. Training calls this before it
    begins, so that no training ends in a file that nobody can load."""
    arrays = arrays_of(model)
    try:
        text = _as_json(model_header(model))
        size = len(text) + sum(array.nbytes for array in arrays.values())
        for name, (dtype, shape) in _model_shapes(_parsed_header(text.decode(), size)).items():
            if (arrays[name].dtype, arrays[name].shape) != (dtype, tuple(shape)):
                raise _Invalid(f"its array {name} has another type or size than its header says")
    except Exception as error:  # as in ``read_archive``: the reader's checks raise many kinds
        raise ModelFileError(
            f"charlm could not read the file of this model again: {_reason(error)}; change the labels or names that "
            "cannot be, or let the model know fewer (--max-vocabulary)"
        ) from None


def save_model(model, path, previous=None) -> None:
    """Write a ``Model`` to a file: see ``Model.save``. previous: where an existing file at ``path`` is kept."""
    model.check_finite()
    check_readable(model)
    write_archive(path, model_header(model), arrays_of(model), previous)


def saved_digest(model) -> str:
    """The SHA-256 of the file that ``save_model`` would write, in hexadecimal digits."""
    file = io.BytesIO()
    _write_members(file, model_header(model), arrays_of(model))
    return hashlib.sha256(file.getbuffer()).hexdigest()


def is_saved(model, path) -> bool:
    """Whether the file at ``path`` is this model: its arrays and its header are those that ``save_model`` would
    write."""
    try:
        header, _ = read_archive(path, _model_shapes)
    except ModelFileError:
        return False
    digest = _digest(arrays_of(model))
    return header == json.loads(json.dumps(model_header(model) | {"sha256": digest}))


def arrays_of(model) -> dict[str, np.ndarray]:
    """All arrays of a model's file, by name, in their order."""
    parameters = model.named_parameters
    return (in_float16(parameters) if model.store == "float16" else parameters) | further_arrays(model)


def in_float16(parameters: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Parameters rounded to float16. Raises ModelFileError for a number that float16 cannot hold."""
    with np.errstate(over="ignore"):
        rounded = {name: values.astype("<f2") for name, values in parameters.items()}
    too_large = sum(int(np.isinf(values).sum()) for values in rounded.values())
    if too_large:
        raise ModelFileError(f"float16 holds numbers up to 65,504, and {too_large:,} of the weights are larger")
    return rounded


def further_arrays(model) -> dict[str, np.ndarray]:
    """The arrays of a model besides its parameters, by name: its record of the training text and its n-grams, if it has
    them."""
    novelty = {"novelty": model.novelty.bits} if model.novelty else {}
    return novelty | (model.mixture.ngrams.arrays() if model.mixture else {})


def model_header(model) -> dict:
    """The header of a model's file, without the digest."""
    novelty = {"novelty": model.novelty.as_dict()} if model.novelty else {}
    mixture = model.mixture
    ngrams = {"ngrams": mixture.ngrams.fields() | {"weights": mixture.weights.tolist()}} if mixture else {}
    fields = model.task.fields()
    task = {"task": {"name": model.task.name} | fields} if fields else {}
    store = {"store": model.store} if model.store != STORED[0] else {}
    return (
        novelty
        | ngrams
        | task
        | store
        | {
            "format": _format(model),
            "kind": "model",
            "charlm": __version__,
            "architecture": model.architecture.as_dict(),
            "vocabulary": model.vocabulary.fields(),
            "lines": model.lines,
            "training": model.training,
        }
    )


def _format(model) -> int:
    """The earliest format that can describe the model, so that an older charlm reads it if it can."""
    if model.architecture.channels:
        return VECTOR_FORMAT
    if model.store != STORED[0]:
        return STORED_FORMAT
    if model.novelty and model.novelty.earlier:
        return EARLIER_FORMAT
    if model.vocabulary.form != PLAIN or model.vocabulary.level == "token":
        return FORM_FORMAT
    if {"columns", "scheme", "multi_label"} & model.task.fields().keys():
        return COLUMNS_FORMAT
    if model.mixture:
        return MIXTURE_FORMAT
    if model.vocabulary.level == "subword":
        return SUBWORD_FORMAT
    if model.novelty and model.novelty.squeezed:
        return SQUEEZED_FORMAT
    if model.architecture.context:
        return FEEDFORWARD_FORMAT
    return TASK_FORMAT if model.task.fields() else FORMAT


def describe(header: dict) -> tuple[Architecture, Vocabulary, Task]:
    """The architecture, the vocabulary and the task that a header describes.

    Raises an exception of some kind, which ``read_archive`` turns into a ModelFileError, if they are not valid.
    """
    fields, task_fields = header["architecture"], header.get("task", {"name": "text"})
    task = task_class(task_fields["name"], "vectors" if "vectors" in task_fields else "text").from_fields(task_fields)
    kinds = {field.name: field.type for field in dataclasses.fields(task.architecture)}
    if not set(fields) <= set(kinds) or not set(kinds) - set(OPTIONAL) <= set(fields):
        raise _Invalid("its header does not describe its architecture")
    for name, value in fields.items():
        if not isinstance(value, kinds[name]) or isinstance(value, bool) != (kinds[name] is bool):
            raise _Invalid(f"its architecture has {value!r} for {name}")
    if type(header["lines"]) is not bool:
        raise _Invalid("its header does not say whether each line is a sequence")
    if not isinstance(header["training"], dict):
        raise _Invalid("its header is incomplete")
    vocabulary = _vocabulary(**header["vocabulary"])
    if vocabulary.form.separator is not None and not header["lines"]:
        raise _Invalid("it has items of several lines, and is no model of lines")
    given = {name: getattr(task.architecture, name) for name in OPTIONAL} | fields
    sizes = {"channels": 0} | task.architecture_fields(vocabulary)
    if any(given[name] != size for name, size in sizes.items()):
        raise _Invalid("its vocabulary or its task has another size than its network")
    return task.architecture(**fields), vocabulary, task


def _vocabulary(level: str, symbols: list, merges: list | None = None, **form) -> Vocabulary:
    """The vocabulary of a header, checked; ``Vocabulary`` checks that the merges make their symbols."""
    if not isinstance(symbols, list) or isinstance(merges, list) != (level == "subword"):
        raise _Invalid("its header is incomplete")
    merges = merges or []
    characters = {"char": len(symbols), "subword": len(symbols) - len(merges)}.get(level, 0)
    for number, symbol in enumerate(symbols):
        if level == "byte":
            good = type(symbol) is int and 0 <= symbol < 256 and symbol != 10
        elif level == "token":
            good = type(symbol) is str and (symbol == LINE_FEED or symbol.split() == [symbol])
            symbol.encode()
        else:
            good = type(symbol) is str and symbol not in ("", "\n") and (number >= characters or len(symbol) == 1)
            symbol.encode()  # raises an error for a lone surrogate
        if not good:
            raise _Invalid("its vocabulary has an entry that is not a symbol")
    for merge in merges:
        if type(merge) is not list or list(map(type, merge)) != [int, int]:
            raise _Invalid("its vocabulary has a merge that is not two ids")
    return Vocabulary(level, symbols, merges, _form(**form))


def _form(normalize: str = "none", separator: str | None = None) -> Form:
    """The form of a header, checked."""
    if normalize not in NORMAL_FORMS:
        raise _Invalid("its text has a form that charlm does not know")
    if separator is not None and not (type(separator) is str and is_separator(separator)):
        raise _Invalid("its separator is not one line")
    return Form(normalize, separator)


def _novelty_shapes(header) -> dict[str, tuple]:
    return {"novelty": (np.dtype("u1"), (check_fields(header["novelty"]),))} if "novelty" in header else {}


def _ngrams_shapes(header, vocabulary: Vocabulary, task: Task) -> dict[str, tuple]:
    if "ngrams" not in header:
        return {}
    if task.name != "text":
        raise _Invalid("it has n-grams, which only a language model has")
    fields = dict(header["ngrams"])
    weights = fields.pop("weights", None)
    shapes = array_shapes(fields, len(vocabulary))
    if not isinstance(weights, list) or len(weights) != fields["order"]:
        raise _Invalid("its mixture does not have the weights that its n-grams need")
    for pair in weights:
        if not isinstance(pair, list) or [type(weight) for weight in pair] != [float, float]:
            raise _Invalid("its mixture has weights that are not pairs of numbers")
        if not all(0 <= weight <= MOST_WEIGHT for weight in pair):
            raise _Invalid("its mixture has a weight that it cannot have")
    return shapes


def _model_shapes(header) -> dict[str, tuple]:
    """The dtype and the shape of each array of a model, by name."""
    if header.get("kind") != "model":
        raise _Invalid(f"it is a {header.get('kind')}, not a model")
    architecture, vocabulary, task = describe(header)
    if header.get("store", STORED[0]) not in STORED:
        raise _Invalid("its parameters are stored in a type that charlm does not know")
    dtype = np.dtype("<f2" if header.get("store") == "float16" else "<f4")
    shapes = {name: (dtype, shape) for name, shape in architecture.shapes().items()}
    return shapes | _novelty_shapes(header) | _ngrams_shapes(header, vocabulary, task)


def checkpoint_shapes(header) -> dict[str, tuple]:
    """The dtype and the shape of each array of a checkpoint, by name."""
    if header.get("kind") != "checkpoint" or not FORMAT <= header["format"] <= NEWEST:
        raise _Invalid(f"it is not a checkpoint that charlm {__version__} can resume")
    architecture, vocabulary, task = describe(header)
    size, rows = architecture.number_of_parameters, header.get("rows")
    if type(rows) is not int or rows < 1:
        raise _Invalid("it is a checkpoint that does not say how many rows there were")
    settings = header["settings"]
    shards = settings.get("shards", 1)
    if type(shards) is not int or not 0 < shards <= MOST_SHARDS:
        raise _Invalid("it does not say how many shards there were")
    if rows > settings["batch"] * (shards if settings.get("local_updates") else 1):
        raise _Invalid("it is a checkpoint with more rows than there can be")
    kept = header.get("optimizer", ["m", "v"])
    if not isinstance(kept, list) or not all(isinstance(name, str) and name.isidentifier() for name in kept):
        raise _Invalid("it does not say what the optimizer keeps")
    shapes = dict.fromkeys(("parameters", *kept), (size,))
    rows = -(-rows // shards) * shards
    shapes |= {f"state{number}": (rows, width) for number, width in enumerate(task.state_widths(architecture))}
    shapes = {"best": (size,)} | shapes | {f"good.{name}": shape for name, shape in shapes.items()}
    described = {name: (np.dtype("<f4"), shape) for name, shape in shapes.items()}
    described |= _novelty_shapes(header) if header.get("record") else {}
    return described | _ngrams_shapes(header, vocabulary, task)


def _shapes(header) -> dict[str, tuple]:
    return checkpoint_shapes(header) if header.get("kind") == "checkpoint" else _model_shapes(header)


def file_kind(path) -> str:
    """ "model" or "checkpoint". Raises ModelFileError for a file that is neither."""
    return read_archive(path, _shapes)[0]["kind"]


def read_model(path) -> dict:
    """The fields of the ``Model`` in a file, by name; of a checkpoint, those of its best model so far. Raises
    ModelFileError: see ``model.load_model``."""
    return _model_fields(path, *read_archive(path, _shapes))


def _model_fields(path, header: dict, arrays: dict[str, np.ndarray]) -> dict:
    """The fields of the ``Model`` in a file with this header and these arrays, which fit it. Raises ModelFileError."""
    architecture, vocabulary, task = describe(header)
    novelty = None
    if "novelty" in arrays:
        novelty = from_fields(header["novelty"], arrays["novelty"], vocabulary.level == "byte")
    parameters, store = np.empty(architecture.number_of_parameters, np.float32), STORED[0]
    if header["kind"] == "checkpoint":
        parameters[:] = arrays["best"]
    else:
        store = header.get("store", store)
        for name, values in views(architecture, parameters).items():
            values[:] = arrays[name]
    if not np.isfinite(parameters).all():
        raise ModelFileError(f"{path} is damaged: it has parameters that are not finite numbers")
    try:
        mixture = read_mixture(header, arrays, len(vocabulary))
    except ValueError as error:
        raise ModelFileError(f"{path} is damaged: {error}") from None
    fields = {"lines": header["lines"], "training": header["training"], "novelty": novelty, "task": task}
    sizes = {"architecture": architecture, "vocabulary": vocabulary, "parameters": parameters}
    return sizes | fields | {"mixture": mixture, "store": store}


def read_mixture(header: dict, arrays: dict[str, np.ndarray], vocabulary_size: int) -> Mixture | None:
    """The mixture in a file that ``read_archive`` read, if it has one. Raises ValueError where the arrays are no
    n-grams."""
    if "ngrams" not in header:
        return None
    fields = dict(header["ngrams"])
    weights = np.array(fields.pop("weights"))
    return Mixture(NGrams.from_arrays(fields, arrays, vocabulary_size, header["lines"]), weights)


def packed(model) -> tuple[str, dict[str, np.ndarray]]:
    """All that the file of a model holds, for a file of another form: the header with its digest, as JSON in ASCII, and
    the arrays by name. Raises ModelFileError where charlm could not read it again."""
    check_readable(model)
    arrays = arrays_of(model)
    return _as_json(model_header(model) | {"sha256": _digest(arrays)}).decode(), arrays


def described(path, text: str) -> tuple[dict, dict[str, tuple]]:
    """A header that ``packed`` gave, from its JSON, and the dtype and the shape of each array. Raises ModelFileError
    for a header of a later format, and an exception of some kind for one that is not valid."""
    header = _parsed_header(text, len(text))
    _check_format(header, path)
    return header, _model_shapes(header)


def unpacked(path, header: dict, arrays: dict[str, np.ndarray]) -> dict:
    """The fields of the ``Model`` with this header and these arrays, which have the types and shapes of ``described``.
    Raises ModelFileError where they are others than those that were written."""
    if _digest(arrays) != header.get("sha256"):
        raise ModelFileError(
            f"{path} is damaged, or another program changed its tensors: they do not match their digest; charlm import "
            "--symbols takes them as they are"
        )
    return _model_fields(path, header, arrays)
