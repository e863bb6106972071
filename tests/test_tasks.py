"""Tasks with answers of their own: they learn, the same seed gives the same bytes, files and lines are read as they
should be, and what cannot be is refused in one line."""

import hashlib
import json

import numpy as np
import pytest
from click.testing import CliRunner

import charlm
from charlm.checkpoint import Checkpoint, save_checkpoint
from charlm.cli import program
from charlm.cli.train import TASKS
from charlm.errors import CorpusError, ModelFileError, UsageError
from charlm.modelfile import load_model, write_archive
from charlm.planning import new_trainer
from charlm.predicting import Predictor
from charlm.tasks import MODULES

SMALL = {"hidden": 16, "layers": 1, "batch": 16, "lr": 0.01, "dropout": 0.0}


def run(*arguments, code=0, **settings):
    result = CliRunner().invoke(program, [str(argument) for argument in arguments], prog_name="charlm", **settings)
    assert result.exit_code == code, result.output
    return result


def refused(words, *arguments, code=1):
    message = run(*arguments, code=code).stderr
    assert message.startswith("charlm: error: ") and message.count("\n") == 1
    for word in words.split():
        assert word in message


def digest(model, path):
    model.save(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def first_letter(random, number):
    """Lines of which the first letter decides the label, many letters before the end."""
    for _ in range(number):
        text = "".join(random.choice(list("abc"), random.integers(1, 9)))
        yield f"{'xyz'['abc'.index(text[0])]}\t{text}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    random = np.random.default_rng(1)
    (folder / "letters.tsv").write_text("\n".join(first_letter(random, 300)) + "\n")
    (folder / "more.tsv").write_text("\n".join(first_letter(random, 60)) + "\n")
    return folder


@pytest.fixture(scope="module")
def classifier(folder):
    model = charlm.train(folder / "letters.tsv", task="classify", epochs=8, bidirectional=True, **SMALL)
    model.save(folder / "classifier.npz")
    return model


def test_the_command_line_names_all_tasks():
    assert TASKS == tuple(MODULES)


@pytest.mark.parametrize(("cell", "bidirectional"), [("lstm", False), ("gru", True)])
def test_it_learns_to_classify(folder, cell, bidirectional):
    model = charlm.train(
        folder / "letters.tsv", task="classify", epochs=15, cell=cell, bidirectional=bidirectional, **SMALL
    )
    found = Predictor(model).evaluate(folder / "more.tsv").as_dict()
    assert found["accuracy"] > 0.95 and found["macro_f1"] > 0.95


def test_one_to_one_is_a_sequence_of_length_one(classifier):
    assert [next(iter(found)) for found in charlm.predict(classifier, ["a", "b", "c"])] == ["x", "y", "z"]


def test_an_empty_line_has_a_row_too(classifier):
    assert len(charlm.predict(classifier, ["", "ab"])) == 2


def test_fasttext_form_is_the_same(folder, classifier):
    lines = (folder / "letters.tsv").read_text().splitlines()
    other = folder / "fasttext.txt"
    other.write_text("".join("__label__{} {}\n".format(*line.split("\t")) for line in lines))
    model = charlm.train(other, task="classify", epochs=8, bidirectional=True, **SMALL)
    assert np.array_equal(model.parameters, classifier.parameters)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.3, "bidirectional": True, "layers": 2, "cell": "peephole"}])
def test_same_seed_same_bytes_for_any_number_of_threads_and_after_a_stop(folder, tmp_path, options):
    options = {"task": "classify", "epochs": 2} | SMALL | options
    whole = [digest(charlm.train(folder / "letters.tsv", threads=n, **options), tmp_path / "m.npz") for n in (1, 2, 3)]
    assert len(set(whole)) == 1
    stopped = new_trainer(folder / "letters.tsv", **options)
    list(stopped.run(stop=lambda: stopped.step == 19))
    save_checkpoint(stopped, tmp_path / "c.npz", {})
    resumed = new_trainer(folder / "letters.tsv", **options)
    Checkpoint(tmp_path / "c.npz").restore(resumed)
    list(resumed.run())
    assert digest(resumed.best, tmp_path / "m.npz") == whole[0]


def test_a_checkpoint_of_another_task_is_refused(folder, tmp_path):
    trainer = new_trainer(folder / "letters.tsv", task="classify", epochs=1, **SMALL)
    save_checkpoint(trainer, tmp_path / "c.npz", {})
    with pytest.raises(ModelFileError, match="--task"):
        Checkpoint(tmp_path / "c.npz").restore(new_trainer(folder / "letters.tsv", lines=True, epochs=1, **SMALL))


def test_many_lines_at_once_give_the_bits_of_one_at_a_time(folder, classifier):
    lines = [line.split("\t")[1] for line in (folder / "more.tsv").read_text().splitlines()]
    predictor = Predictor(classifier)
    together = predictor.predict(lines, top=3)
    assert [predictor.predict([line], top=3)[0] for line in lines] == together
    assert Predictor(classifier, threads=1).predict(lines, top=3) == together


def test_predict_gives_a_row_a_line_in_order(folder, classifier):
    arguments = ["predict", "--model", folder / "classifier.npz"]
    rows = run(*arguments, input="abc\nzzz\ncab\n").stdout.splitlines()
    assert [row.split("\t")[0] for row in rows][::2] == ["x", "z"] and len(rows) == 3
    (record,) = (json.loads(line) for line in run(*arguments, "--json", "--top", 2, input="abc\n").stdout.splitlines())
    assert record["text"] == "abc" and record["label"] == "x" and len(record["labels"]) == 2
    assert record["probability"] == max(record["labels"].values())
    top = run(*arguments, "--top", 3, input="b").stdout.split("\t")
    assert sorted(top[::2]) == ["x", "y", "z"] and sum(map(float, top[1::2])) == pytest.approx(1, abs=1e-3)


def test_evaluate_counts(folder, classifier):
    found = json.loads(run("evaluate", "--model", folder / "classifier.npz", folder / "more.tsv", "--json").stdout)
    lines = (folder / "more.tsv").read_text().splitlines()
    predicted = charlm.predict(classifier, [line.split("\t")[1] for line in lines])
    right = sum(line.split("\t")[0] == next(iter(labels)) for line, labels in zip(lines, predicted, strict=True))
    assert found["lines"] == 60 and found["accuracy"] == right / 60
    assert sum(sum(row.values()) for row in found["confusion"].values()) == 60
    table = run("evaluate", "--model", folder / "classifier.npz", folder / "more.tsv").stdout.splitlines()
    assert table[0].startswith("accuracy") and table[1].startswith("macro F1") and len(table) == 5 + 3


def test_macro_f1_is_the_mean_over_labels():
    from charlm.tasks.confusion import Confusion

    confusion = Confusion.of(list("aaab"), list("aabb"))
    assert confusion.f1.tolist() == [pytest.approx(0.8), pytest.approx(2 / 3)]
    assert confusion.accuracy == 0.75


def test_a_label_seen_once_is_for_training(tmp_path):
    path = tmp_path / "rare.tsv"
    path.write_text("".join(f"{'often' if number else 'once'}\tab{number}\n" for number in range(20)))
    for seed in range(12):
        corpus = new_trainer(path, task="classify", holdout=0.5, seed=seed, epochs=1, **SMALL).corpus
        assert set(corpus.task.labels) == {"often", "once"} and corpus.task.labels[0] == "often"
        assert 0 < len(corpus.held_out) <= 10


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x ab\n", "bad.tsv line 1 tab"),
        ("x\tab\n\n\tab\n", "line 3 no label"),
        ("__label__x __label__y ab\n", "line 1 two labels"),
        ("\n\n", "no line bad.tsv"),
    ],
)
def test_a_line_that_cannot_be_read(folder, text, words):
    path = folder / "bad.tsv"
    path.write_text(text)
    refused(words, "train", path, "--task", "classify", "-o", folder / "new.npz", "--epochs", 1)


def test_an_unknown_label_is_named(folder, classifier):
    path = folder / "unknown.tsv"
    path.write_text("x\tab\nwrong\tab\n")
    refused("'wrong' unknown.tsv line 2", "evaluate", "--model", folder / "classifier.npz", path)
    with pytest.raises(CorpusError, match="'wrong'"):
        new_trainer(folder / "letters.tsv", task="classify", valid=path, epochs=1, **SMALL)


def test_what_does_not_go_together(folder, classifier):
    model = ["--model", folder / "classifier.npz"]
    refused("--task classify predict", "sample", *model, code=2)
    refused("--task classify predict", "perplexity", *model, folder / "more.tsv", code=2)
    with pytest.raises(UsageError, match="read the answer"):
        new_trainer(folder / "letters.tsv", bidirectional=True)
    with pytest.raises(UsageError, match="tied"):
        new_trainer(folder / "letters.tsv", task="classify", tied=True, epochs=1)
    text = charlm.train(folder / "letters.tsv", epochs=1, **SMALL)
    text.save(folder / "text.npz")
    refused("--task text sample", "predict", "--model", folder / "text.npz", code=2)
    assert "bits per byte" in run("evaluate", "--model", folder / "text.npz", folder / "more.tsv").stdout


def test_the_model_file_comes_back(folder, classifier, tmp_path):
    again = load_model(folder / "classifier.npz")
    assert again.task == classifier.task and again.architecture == classifier.architecture
    assert digest(again, tmp_path / "a.npz") == digest(classifier, tmp_path / "b.npz")
    shown = run("info", folder / "classifier.npz").stdout
    assert ", ".join(classifier.task.labels) in shown


@pytest.mark.parametrize(
    "change",
    [
        {"task": 5},
        {"task": {"name": "os"}},
        {"task": {"name": "classify"}},
        {"task": {"name": "classify", "labels": ["x"]}},
        {"task": {"name": "classify", "labels": ["x", "y", "y"]}},
        {"task": {"name": "classify", "labels": ["x", "y", 3]}},
        {"task": {"name": "classify", "labels": ["x", "y", "a\tb"]}},
        {"task": {"name": "text"}},
        {"format": 4},
        {"architecture": {"bidirectional": 1}},
        {"architecture": {"outputs": 2**40}},
        {"architecture": {"outputs": True}},
        {"architecture": {"more": 1}},
    ],
    ids=str,
)
def test_a_header_is_not_believed(folder, classifier, tmp_path, change):
    with np.load(folder / "classifier.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("header").tobytes())
    if "architecture" in change:
        change = {"architecture": header["architecture"] | change["architecture"]}
    write_archive(tmp_path / "m.npz", header | change, arrays)
    with pytest.raises(ModelFileError):
        load_model(tmp_path / "m.npz")
