"""Tasks with answers: they learn, the same seed gives the same bytes, charlm reads their files correctly, and a file or
an option that is not possible is an error of one line."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import charlm
from charlm.cli import program
from charlm.errors import CorpusError, ModelFileError, UsageError
from charlm.learning.autotune import new_trainer
from charlm.learning.checkpoint import Checkpoint, save_checkpoint
from charlm.learning.options import TASKS
from charlm.model import load_model
from charlm.modelfile import NEWEST, write_archive
from charlm.predicting import Predictor
from charlm.tasks import MODULES, PREDICTING, PredictionTask, Task, task_class
from charlm.tasks.examples import LONGEST_TEXT, TOKENS, tokens_for

GOLDEN = Path(__file__).parent / "golden"
SMALL = {"hidden": 16, "layers": 1, "batch": 16, "lr": 0.01, "dropout": 0.0}


def run(*arguments, code=0, **settings):
    result = CliRunner().invoke(program, [str(argument) for argument in arguments], prog_name="charlm", **settings)
    assert result.exit_code == code, result.output
    return result


def check_error(words, *arguments, code=1, **settings):
    message = run(*arguments, code=code, **settings).stderr
    assert message.startswith("charlm: error: ") and message.count("\n") == 1
    for word in words.split():
        assert word in message


def digest(model, path):
    model.save(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def first_letter(random, number):
    """Lines whose first letter decides the label, many letters before the end."""
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


@pytest.mark.parametrize("name", MODULES)
def test_each_task_has_the_members_of_its_protocol(name):
    protocol = PredictionTask if name in PREDICTING else Task
    members = {member for kind in protocol.__mro__ for member in {*vars(kind), *vars(kind).get("__annotations__", {})}}
    members = {member for member in members if not member.startswith("_")}
    assert len(members) >= (26 if name in PREDICTING else 20)
    assert task_class(name).name == name
    assert [member for member in members if not hasattr(task_class(name), member)] == []


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("format-*.npz")), ids=lambda path: path.stem)
def test_one_of_a_thing_is_no_plural(path):
    """What charlm info says of a training whose updates read one token each."""
    model = load_model(path)
    model.training["settings"] |= {"batch": 1, "rows": 1, "steps": 1}
    assert "each update reads " in model.summary() and not re.search(r"\b1 [a-z]+s\b", model.summary())


def test_an_unknown_task_is_an_error():
    with pytest.raises(UsageError, match="'poetry'; choose one of text, classify, generate, tag, translate, chords"):
        task_class("poetry")


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


@pytest.fixture(scope="module")
def generator(folder):
    options = SMALL | {"task": "generate", "epochs": 12, "lr": 0.02, "cell": "gru", "embedding": 5}
    model = charlm.train(folder / "letters.tsv", **options)
    model.save(folder / "generator.npz")
    return model


def test_it_learns_to_generate(folder, generator):
    """The samples of a label begin with its letter, and it is the most likely label of such a text."""
    for label, letter in zip("xyz", "abc", strict=True):
        samples = [sample.text for sample in charlm.sample(generator, 30, given=label, allow_copies=True, seed=1)]
        assert sum(text[0] == letter for text in samples) >= 26
    assert [next(iter(found)) for found in charlm.predict(generator, ["abc", "bac", "ca"])] == ["x", "y", "z"]


def test_a_label_is_read_in_place_of_the_beginning(folder, generator):
    """Perplexity given a label is that of the network as it was trained, and of evaluate."""
    (folder / "x.tsv").write_text("x\tabc\nx\tacca\n")
    (folder / "x.txt").write_text("abc\nacca\n")
    model = ["--model", folder / "generator.npz"]
    found = json.loads(run("evaluate", *model, folder / "x.tsv", "--json").stdout)
    given = json.loads(run("perplexity", *model, "--given", "x", folder / "x.txt", "--json").stdout)
    other = json.loads(run("perplexity", *model, "--given", "y", folder / "x.txt", "--json").stdout)
    assert found["tokens"] == given["tokens"] == 9
    assert found["perplexity"] == pytest.approx(given["perplexity"], rel=1e-5)
    assert found["labels"]["x"]["perplexity"] == found["perplexity"] and found["accuracy"] == 1
    assert other["perplexity"] > 2 * given["perplexity"]
    table = run("evaluate", *model, folder / "more.tsv").stdout.splitlines()
    assert len(table) == 5 and table[1].startswith("all")


def test_sample_needs_a_label(folder, generator, classifier):
    check_error("--given", "sample", "--model", folder / "generator.npz", code=2)
    check_error("'w' x", "sample", "--model", folder / "generator.npz", "--given", "w", code=2)
    check_error("--given generate", "sample", "--model", folder / "classifier.npz", "--given", "x", code=2)
    arguments = ("sample", "--model", folder / "generator.npz", "--given", "z", "--count", 4, "--seed", 1)
    assert run(*arguments).stdout == run(*arguments).stdout != ""


@pytest.fixture(scope="module")
def translator(folder):
    """A model that writes its source backwards, in capitals."""
    random = np.random.default_rng(2)
    sources = ["".join(random.choice(list("abcd"), random.integers(1, 5))) for _ in range(500)]
    lines = "".join(f"{source}\t{source[::-1].upper()}\n" for source in sources)
    (folder / "pairs.tsv").write_text(lines)
    options = {"task": "translate", "bidirectional": True, "cell": "gru", "epochs": 12}
    model = charlm.train(folder / "pairs.tsv", **options | SMALL | {"hidden": 32, "lr": 0.02})
    model.save(folder / "translator.npz")
    return model


def test_it_learns_to_translate(folder, translator):
    found = Predictor(translator).evaluate(folder / "pairs.tsv").as_dict()
    assert found["exact_match"] > 0.9 and found["character_error_rate"] < 0.05
    assert charlm.predict(translator, ["abc", "d"])[0]["target"] == "CBA"
    model = ["--model", folder / "translator.npz"]
    assert run("predict", *model, input="ab\n\nbad\n").stdout.splitlines()[::2] == ["BA", "DAB"]
    assert json.loads(run("evaluate", *model, folder / "pairs.tsv", "--json").stdout) == found
    assert run("evaluate", *model, folder / "pairs.tsv").stdout.startswith("exact match")


def test_a_wider_search_finds_targets_that_are_at_least_as_likely(translator):
    random = np.random.default_rng(4)
    sources = ["q", "", *("".join(random.choice(list("abcd"), 9)) for _ in range(40))]
    predictor = Predictor(translator)
    greedy, wide = (predictor.predict(sources, beam=beam) for beam in (1, 6))
    assert all(b["log_probability"] >= a["log_probability"] - 1e-9 for a, b in zip(greedy, wide, strict=True))
    assert any(b["target"] != a["target"] for a, b in zip(greedy, wide, strict=True))
    for beam, together in ((1, greedy), (6, wide)):
        assert [predictor.predict([source], beam=beam)[0] for source in sources] == together
    assert not any("<UNK>" in found["target"] for found in greedy + wide)


def test_the_search_is_the_exhaustive_one_where_it_is_wide(translator):
    """Its probability is that of the network reading the target, and no other target is more likely."""
    from charlm.tasks.translate import Pairs
    from charlm.text.batches import Sequences

    predictor, vocabulary = Predictor(translator), translator.vocabulary
    (found,) = predictor.predict(["ab"], beam=40)
    letters = [vocabulary.decode([number]) for number in range(2, len(vocabulary))]
    targets = ["", *letters, *(a + b for a in letters for b in letters), found["target"]]
    ids = [np.append(vocabulary.encode(target), 0) for target in targets]
    pairs = Pairs(Sequences([vocabulary.encode("ab")] * len(ids)), Sequences(ids))
    nats = predictor.window.forward(translator.task.batch(pairs, np.arange(len(ids))))[0].sum(0)
    assert found["log_probability"] == pytest.approx(-float(nats[-1]), rel=1e-5, abs=1e-6)
    assert -nats.max() <= found["log_probability"] + 1e-6 and -nats.min() <= found["log_probability"] + 1e-5


def test_distances_are_those_of_levenshtein():
    from charlm.tasks.translate import TranslationResult, distance

    def by_the_table(a, b):
        row = list(range(len(b) + 1))
        for i, x in enumerate(a, 1):
            row, above = [i], row
            for j, y in enumerate(b, 1):
                row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y)))
        return row[-1]

    random = np.random.default_rng(1)
    words = ["".join(random.choice(list("abc"), random.integers(0, 9))) for _ in range(200)]
    for a, b in [("kitten", "sitting"), ("", ""), ("a" * 100, "b" * 70), *zip(words, reversed(words), strict=True)]:
        assert distance(a, b) == by_the_table(a, b)
    assert TranslationResult.of(["ab", "c"], ["ab", "d"]).as_dict() == {
        "pairs": 2,
        "exact_match": 0.5,
        "character_error_rate": 1 / 3,
    }


def test_beam_and_top_go_with_their_tasks(folder, classifier, translator):
    check_error(
        "--beam classify", "predict", "--model", folder / "classifier.npz", "--beam", 2, folder / "more.tsv", code=2
    )
    check_error(
        "--top translate", "predict", "--model", folder / "translator.npz", "--top", 2, folder / "more.tsv", code=2
    )
    check_error(
        "--beam classify", "evaluate", "--model", folder / "classifier.npz", "--beam", 2, folder / "more.tsv", code=2
    )
    (folder / "bad.tsv").write_text("a\tb\tc\n")
    check_error("bad.tsv line 1 one tab", "evaluate", "--model", folder / "translator.npz", folder / "bad.tsv")


@pytest.mark.parametrize("task", ["generate", "translate"])
def test_other_tasks_give_the_same_bytes_too(folder, tmp_path, task):
    options = {"task": task, "epochs": 1, "embedding": 3} | SMALL | {"dropout": 0.2}
    digests = {digest(charlm.train(folder / "letters.tsv", threads=n, **options), tmp_path / "m.npz") for n in (1, 2)}
    assert len(digests) == 1
    again = load_model(tmp_path / "m.npz")
    assert digest(again, tmp_path / "again.npz") in digests


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


def test_a_checkpoint_of_another_task_is_an_error(folder, tmp_path):
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


def test_predict_prints_one_row_per_line_in_order(folder, classifier):
    arguments = ["predict", "--model", folder / "classifier.npz"]
    rows = run(*arguments, input="abc\nzzz\ncab\n").stdout.splitlines()
    assert [row.split("\t")[0] for row in rows][::2] == ["x", "z"] and len(rows) == 3
    (record,) = (json.loads(line) for line in run(*arguments, "--json", "--top", 2, input="abc\n").stdout.splitlines())
    assert record["text"] == "abc" and record["label"] == "x" and len(record["labels"]) == 2
    assert record["probability"] == max(record["labels"].values())
    top = run(*arguments, "--top", 3, input="b").stdout.split("\t")
    assert sorted(top[::2]) == ["x", "y", "z"] and sum(map(float, top[1::2])) == pytest.approx(1, abs=1e-3)


def test_a_line_that_cannot_be_read_has_an_error_row(folder, classifier):
    """Each input line has one row, in order; the run goes on and ends with exit code 1."""
    too_long = "a" * (LONGEST_TEXT + 1)
    lines = [b"abc", b"a\xe9b", b"", too_long.encode(), b"zzz", too_long.encode()]
    arguments = ["predict", "--model", folder / "classifier.npz"]
    done = run(*arguments, "--json", code=1, input=b"\n".join(lines))
    records = [json.loads(row) for row in done.stdout.splitlines()]
    assert [record["text"].encode("utf-8", "surrogateescape") for record in records] == lines
    assert [record["error"][:30] if "error" in record else None for record in records] == [
        *(None, "line 2: the byte 0xe9 is not U", None, "line 4: the text that begins '", None),
        "line 6: the text that begins '",
    ]
    readable = [line.decode() for line in (lines[0], lines[2], lines[4])]
    found = [record["labels"] for record in records if "error" not in record]
    assert found == charlm.predict(classifier, readable)
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("charlm: error: 3 rows without a prediction; the first: line 2: the byte 0xe9 is not")
    done = run(*arguments, code=1, input=b"\n".join(lines))
    assert [row.partition("\t")[0] for row in done.stdout.split("\n")[:-1]] == [
        next(iter(record["labels"])) if "labels" in record else "" for record in records
    ]
    assert run(*arguments, "--encoding", "latin-1", input=b"a\xe9b\n").stderr == ""


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
    from charlm.tasks.confusion import ConfusionMatrix

    confusion = ConfusionMatrix.of(list("aaab"), list("aabb"))
    assert confusion.f1.tolist() == [pytest.approx(0.8), pytest.approx(2 / 3)]
    assert confusion.accuracy == 0.75


def test_a_label_seen_once_is_for_training(tmp_path):
    path = tmp_path / "rare.tsv"
    path.write_text("".join(f"{'often' if number else 'once'}\tab{number}\n" for number in range(20)))
    for seed in range(12):
        trainer = new_trainer(path, task="classify", holdout=0.5, seed=seed, epochs=1, **SMALL)
        labels = trainer.task.labels
        assert set(labels) == {"often", "once"} and labels[0] == "often"
        assert 0 < len(trainer.corpus.held_out) <= 10


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x ab\n", "bad.tsv line 1 tab"),
        ("x\tab\n\n\tab\n", "line 3 no label"),
        ("__label__x __label__y ab\n", "line 1 two labels"),
        ("\n\n", "no text bad.tsv"),
    ],
)
def test_a_line_that_cannot_be_read(folder, text, words):
    path = folder / "bad.tsv"
    path.write_text(text)
    check_error(words, "train", path, "--task", "classify", "-o", folder / "new.npz", "--epochs", 1)


@pytest.mark.parametrize("task", ["classify", "generate", "translate"])
def test_a_text_too_long_to_be_read_as_a_whole(folder, classifier, task, monkeypatch):
    path = folder / "long.tsv"
    path.write_text("x\tab\ny\tabc\n" + f"x\t{'ab' * 500}\ny\tb\n" * 2)
    monkeypatch.setattr("charlm.tasks.examples.LONGEST_TEXT", 999)
    words = "'abababababababababab' 1,000 characters 999 cut"
    check_error(words, "train", path, "--task", task, "-o", folder / "new.npz", "--epochs", 1)
    check_error(words, "predict", "--model", folder / "classifier.npz", input="ab\n" + "ab" * 500 + "\n")


def test_one_label_is_an_error(folder):
    path = folder / "one.tsv"
    path.write_text("x\tab\nx\tb\n")
    check_error("one label only 'x'", "train", path, "--task", "classify", "-o", folder / "new.npz", "--epochs", 1)


def test_too_many_labels_are_an_error(folder, monkeypatch):
    monkeypatch.setattr("charlm.tasks.examples.MOST_LABELS", 2)
    words = "3 different labels 2 at most label first text last"
    check_error(words, "train", folder / "letters.tsv", "--task", "classify", "-o", folder / "new.npz", "--epochs", 1)


def test_with_many_outputs_a_batch_has_few_tokens():
    assert [tokens_for(outputs) for outputs in (2, 1024, 1 << 20)] == [TOKENS, TOKENS, 16]


def test_many_labels_are_compared_in_groups(folder, classifier, generator, monkeypatch):
    for model in (classifier, generator):
        predictor = Predictor(model)
        whole = predictor.predict(["ab", "", "cab", "b"], top=3), predictor.evaluate(folder / "more.tsv").as_dict()
        monkeypatch.setattr("charlm.tasks.labels.MOST_COMPARED", 2 * len(model.task.labels) + 1)
        assert predictor.predict(["ab", "", "cab", "b"], top=3) == whole[0]
        assert predictor.evaluate(folder / "more.tsv").as_dict() == whole[1]
        monkeypatch.undo()


def test_an_unknown_label_is_named(folder, classifier):
    path = folder / "unknown.tsv"
    path.write_text("x\tab\nwrong\tab\n")
    check_error("'wrong' unknown.tsv line 2", "evaluate", "--model", folder / "classifier.npz", path)
    with pytest.raises(CorpusError, match="'wrong'"):
        new_trainer(folder / "letters.tsv", task="classify", valid=path, epochs=1, **SMALL)


def test_a_model_of_another_task_is_an_error(folder, classifier):
    model = ["--model", folder / "classifier.npz"]
    check_error("--task classify predict", "sample", *model, code=2)
    check_error("--task classify predict", "perplexity", *model, folder / "more.tsv", code=2)
    with pytest.raises(UsageError, match="read the answer"):
        new_trainer(folder / "letters.tsv", bidirectional=True)
    with pytest.raises(UsageError, match="tied"):
        new_trainer(folder / "letters.tsv", task="classify", tied=True, epochs=1)
    text = charlm.train(folder / "letters.tsv", epochs=1, **SMALL)
    text.save(folder / "text.npz")
    check_error("--task text sample", "predict", "--model", folder / "text.npz", code=2)
    assert "bits per byte" in run("evaluate", "--model", folder / "text.npz", folder / "more.tsv").stdout


def test_the_model_file_comes_back(folder, classifier, tmp_path):
    again = load_model(folder / "classifier.npz")
    assert again.task == classifier.task and again.architecture == classifier.architecture
    assert digest(again, tmp_path / "a.npz") == digest(classifier, tmp_path / "b.npz")
    assert ", ".join(classifier.task.labels) in run("info", folder / "classifier.npz").stdout


def test_info_names_the_task(folder, classifier, generator, translator):
    for task in ("classifier", "generator", "translator"):
        model = load_model(folder / f"{task}.npz")
        assert model.task.description(model.vocabulary.level) in run("info", folder / f"{task}.npz").stdout
        assert json.loads(run("info", folder / f"{task}.npz", "--json").stdout)["task"]["name"] == model.task.name


@pytest.mark.parametrize("level", ["subword", "word", "byte"])
@pytest.mark.parametrize("task", ["classify", "generate", "translate"])
def test_other_levels(folder, tmp_path, task, level):
    """A word is one symbol, a part of one too, and so is a byte that is not UTF-8."""
    end = b"\xff" if level == "byte" else b"."
    lines = [b"one\tred big cat" + end, b"two\tsmall dog" + end] * 30
    (tmp_path / "lines.tsv").write_bytes(b"\n".join(lines))
    options = SMALL | {"task": task, "level": level, "epochs": 15}
    if task == "translate":
        options |= {"epochs": 30, "lr": 0.03}
    model = charlm.train(tmp_path / "lines.tsv", **options)
    model.save(tmp_path / "m.npz")
    found = run("evaluate", "--model", tmp_path / "m.npz", tmp_path / "lines.tsv", "--json").stdout
    assert json.loads(found).get("accuracy", 1) == 1
    (tmp_path / "asked").write_bytes(b"red big cat" + end if task != "translate" else b"one")
    answer = run("predict", "--model", tmp_path / "m.npz", tmp_path / "asked").stdout_bytes
    assert answer.startswith(b"one" if task != "translate" else b"red big cat" + end)


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
        {"format": NEWEST + 1},
        {"architecture": {"bidirectional": 1}},
        {"architecture": {"outputs": 2**40}},
        {"architecture": {"outputs": True}},
        {"architecture": {"more": 1}},
    ],
    ids=str,
)
def test_a_header_is_checked(folder, classifier, tmp_path, change):
    with np.load(folder / "classifier.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("header").tobytes())
    if "architecture" in change:
        change = {"architecture": header["architecture"] | change["architecture"]}
    write_archive(tmp_path / "m.npz", header | change, arrays)
    with pytest.raises(ModelFileError):
        load_model(tmp_path / "m.npz")
