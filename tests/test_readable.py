"""What charlm accepts, it writes into a file that it reads again: labels, tags, symbols, names of files and options."""

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_modelfile import new_model

import charlm
from charlm.errors import CorpusError, ModelFileError, UsageError
from charlm.learning.autotune import new_trainer
from charlm.learning.options import BY_NAME, NAMES, given_options, stored_options
from charlm.model import Model, load_model
from charlm.modelfile import check_readable, save_model
from charlm.options import LARGEST
from charlm.tasks import task_class
from charlm.text.corpus import CorpusOptions
from torture.modelfiles import parts_of

FEW = settings(max_examples=20)
# White space of every kind, what ends lines, marks of files, and any other character.
MARKS = "\t\n\r\v\f\x1c\x85\xa0\u2028\u3000 ,;|\"'#\\{[_-<>\0\ufeffbBIOES1"
CHARACTERS = st.one_of(st.sampled_from(MARKS), st.characters(codec="utf-8"))
TEXTS = st.text(CHARACTERS, min_size=1, max_size=6)
FORMS = {
    "classify": "{0}\t{1}\n",
    "generate": "__label__{0} {1}\n",
    "tag": "{1}\t{0}\n\n",
    "translate": "{0}\t{1}\n",
    "text": "{0}\n{1}\n",
}


def untrained(task, corpus):
    """A model of a task before its training."""
    vocabulary = corpus.vocabulary
    fields = task.architecture_fields(vocabulary)
    cell = "gru" if task.name != "translate" else "rnn"
    architecture = task.architecture(cell=cell, hidden=1, layers=1, **fields)
    parameters = np.zeros(architecture.number_of_parameters, np.float32)
    training = {"corpus": {"names": list(corpus.names), "sha256": corpus.digest}}
    return Model(
        architecture=architecture,
        vocabulary=vocabulary,
        parameters=parameters,
        lines=True,
        task=task,
        training=training,
        novelty=corpus.novelty,
    )


@FEW
@pytest.mark.filterwarnings("ignore::charlm.errors.Note", "ignore:.*has NULs")
@given(st.sampled_from(list(FORMS)), st.sampled_from([None, "1,2"]), st.lists(st.tuples(TEXTS, TEXTS), min_size=2))
def test_a_model_of_any_labels_tags_and_symbols_loads_again(tmp_path_factory, name, columns, examples):
    """A file that cannot be read is one line of error; one that can gives a model that can be read too."""
    folder = tmp_path_factory.mktemp("readable")
    with open(folder / "examples", "w", encoding="utf-8", newline="") as file:
        file.writelines(FORMS[name].format(*example) for example in examples)
    given_columns = columns and ("1" if name == "text" else columns)
    try:
        task, corpus = task_class(name).load(
            folder / "examples", CorpusOptions(lines=True, holdout=0, columns=given_columns, min_count=1)
        )
    except CorpusError as error:
        assert "\n" not in str(error)
        return
    model = untrained(task, corpus)
    check_readable(model)
    model.save(folder / "m.npz")
    again = load_model(folder / "m.npz")
    assert parts_of(again) == parts_of(model) and again.task == task


@FEW
@given(st.binary(min_size=1, max_size=20))
def test_a_model_of_a_file_of_any_name_loads_again(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("names")
    path = os.path.join(os.fsencode(folder), name.replace(b"/", b"").replace(b"\0", b"") or b"x")
    if os.path.isdir(path):
        return
    with open(path, "wb") as file:
        file.write(b"ab\nba\n" * 9)
    task, corpus = task_class("text").load(os.fsdecode(path), CorpusOptions(lines=True))
    untrained(task, corpus).save(folder / "m.npz")
    assert load_model(folder / "m.npz").training["corpus"]["names"] == list(corpus.names)


def values(option):
    """Values that an option may have, and some that it may not."""
    if option.choices:
        return st.sampled_from(list(option.choices))
    if option.kind is bool:
        return st.booleans()
    if option.kind is int:
        return st.one_of(st.integers(0, 70_000), st.sampled_from([2**64, LARGEST - 1, LARGEST, 10**5000, -1]))
    if option.kind is float:
        return st.floats()
    return TEXTS


@FEW
@given(st.fixed_dictionaries({}, optional={name: values(BY_NAME[name]) for name in NAMES}))
def test_what_is_an_option_is_one_in_a_checkpoint_too(options):
    found = {}
    for name, value in options.items():
        try:
            found |= given_options({name: value})
        except UsageError as error:
            assert "\n" not in str(error)
    assert stored_options(json.loads(json.dumps(found))) == found


# What a reader would refuse is an error before the training


def refused(tmp_path, monkeypatch, **names):
    """Train with labels or words that the check of the text lets through, but no reader would."""
    for where, function in names.items():
        monkeypatch.setattr(where, function)
    (tmp_path / "lines.tsv").write_text("x\tab\ny\tba\n" * 20)
    updates = []
    with pytest.raises(ModelFileError, match="could not read the file of this model again") as caught:
        charlm.train(
            tmp_path / "lines.tsv",
            task="classify",
            epochs=1,
            hidden=2,
            output=tmp_path / "m.npz",
            on_report=updates.append,
        )
    assert not updates and [path.name for path in tmp_path.iterdir()] == ["lines.tsv"]
    return str(caught.value)


def test_a_label_that_no_reader_takes(tmp_path, monkeypatch):
    message = refused(tmp_path, monkeypatch, **{"charlm.tasks.labels.clean_label": lambda label: f"{label}\t"})
    assert "tab" in message and "\n" not in message


def test_a_header_with_too_many_values(tmp_path, monkeypatch):
    commas = "," * 1_100_000
    message = refused(tmp_path, monkeypatch, **{"charlm.tasks.labels.clean_label": lambda label: label + commas})
    assert "too many values" in message and "--max-vocabulary" in message


def test_nothing_is_written_that_cannot_be_read(tmp_path):
    model = new_model()
    model.vocabulary.symbols = ("ab", *model.vocabulary.symbols[1:])
    with pytest.raises(ModelFileError, match="not a symbol"):
        save_model(model, tmp_path / "m.npz")
    assert not list(tmp_path.iterdir())


def test_a_seed_of_any_length_can_be_read_or_is_an_error(tmp_path):
    (tmp_path / "text.txt").write_text("abcd " * 50)
    trainer = new_trainer(tmp_path / "text.txt", seed=2**128 + 1, epochs=1, hidden=2, layers=1, batch=2, steps=4)
    save_model(trainer.best, tmp_path / "m.npz")
    assert load_model(tmp_path / "m.npz").training["settings"]["seed"] == 2**128 + 1
    with pytest.raises(UsageError, match="seed must be an integer of at least 0, not one of 16,610 bits"):
        new_trainer(tmp_path / "text.txt", seed=10**5000)


def test_the_check_is_that_of_the_reader():
    """It looks at the arrays too."""
    model = new_model()
    model.parameters = model.parameters.astype(np.float64)
    with pytest.raises(ModelFileError, match="its array layer1.W_x has another type or size"):
        check_readable(model)
