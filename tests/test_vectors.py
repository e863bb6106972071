"""Sequences of vectors: their files, what a model knows of its channels, and the three tasks that read them."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

import charlm
from charlm.cli import program
from charlm.errors import CorpusError, ModelFileError, UsageError
from charlm.tasks.classify_vectors import ClassifyVectors
from charlm.vectors.archives import memory_vectors
from charlm.vectors.channels import MOST_CHANNELS, Channels, slopes_of
from charlm.vectors.reading import read_vectors
from charlm.vectors.sequences import VectorSequences, noisy

FEW = {"epochs": 2, "hidden": 4, "threads": 1, "progress": False}


def run(*arguments, **settings):
    return CliRunner().invoke(program, [str(argument) for argument in arguments], prog_name="charlm", **settings)


def examples(path, of_steps=False, **settings):
    return list(read_vectors(path, "utf-8", of_steps=of_steps, **settings))


def written(tmp_path, text, name="a.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def waves(number=30, seed=1):
    """Sequences of two channels, of 5 to 12 steps: one that rises and one that falls, by their label."""
    random = np.random.default_rng(seed)
    arrays, labels = [], []
    for one in range(number):
        steps = int(random.integers(5, 13))
        slope = [1.0, -1.0][one % 2]
        ramp = slope * np.linspace(-1, 1, steps)
        arrays.append(np.stack([ramp, random.normal(3, 2, steps)], axis=1) + random.normal(0, 0.1, (steps, 2)))
        labels.append(["up", "down"][one % 2])
    return arrays, labels


def as_table(arrays, answers, delimiter=",", heading=""):
    """A table with an answer on each row: one for each sequence, or a list with one for each step."""
    blocks = []
    for array, answer in zip(arrays, answers, strict=True):
        each = [answer] * len(array) if isinstance(answer, str) else answer
        rows = [
            delimiter.join([*map(repr, row), tag]) for row, tag in zip(array.astype(float).tolist(), each, strict=True)
        ]
        blocks.append("\n".join(rows))
    return heading + "\n\n".join(blocks) + "\n"


def as_ts(arrays, labels):
    lines = ["# waves", "@problemName Waves", "@timeStamps false", "@classLabel true up down", "@data"]
    for array, label in zip(arrays, labels, strict=True):
        lines.append(":".join([*(",".join(map(repr, channel)) for channel in array.T.tolist()), label]))
    return "\n".join(lines) + "\n"


def as_archive(path, arrays, answers):
    np.savez(path, x=np.concatenate(arrays), lengths=[len(array) for array in arrays], y=np.array(answers))
    return path


# Files


@pytest.mark.parametrize("delimiter", ["\t", ",", ";", " ", "   "])
@pytest.mark.parametrize("heading", [False, True])
def test_all_forms_of_a_table_are_the_same_examples(tmp_path, delimiter, heading):
    arrays, labels = waves(6)
    first = delimiter.join(["rise", "noise", "label"]) + "\n" if heading else ""
    found = examples(written(tmp_path, "\n\n" + as_table(arrays, labels, delimiter, first) + "\n\n"))
    assert all(np.array_equal(one.values, array) for one, array in zip(found, arrays, strict=True))
    assert [one.answers for one in found] == [[label] for label in labels]
    assert found[0].names == (("rise", "noise") if heading else ())


def test_a_ts_file_and_an_archive_are_the_same_examples(tmp_path):
    arrays, labels = waves(6)
    for path in (
        written(tmp_path, as_ts(arrays, labels), "a.ts"),
        as_archive(tmp_path / "a.npz", arrays, labels),
        memory_vectors(arrays, labels, "arrays", False),
    ):
        found = examples(path)
        assert all(np.array_equal(one.values, array) for one, array in zip(found, arrays, strict=True))
        assert [one.answers for one in found] == [[label] for label in labels]


def test_the_answer_of_a_sequence_stands_in_its_first_row(tmp_path):
    """Later rows repeat it, or leave the column empty; double quotes enclose one with a delimiter."""
    text = '1,2,"up, up"\n3,4,\n5,6,"up, up"\n\n7,8,down\n'
    assert [one.answers for one in examples(written(tmp_path, text))] == [["up, up"], ["down"]]
    tags = examples(written(tmp_path, "1 2 a\n3 4 b\n"), of_steps=True)
    assert tags[0].answers == ["a", "b"]


def test_one_channel_and_equal_lengths_are_plain_arrays(tmp_path):
    np.savez_compressed(tmp_path / "one.npz", x=np.arange(6), lengths=[2, 4], y=[7, 8])
    assert [(one.values.shape, one.answers) for one in examples(tmp_path / "one.npz")] == [
        ((2, 1), ["7"]),
        ((4, 1), ["8"]),
    ]
    np.savez(tmp_path / "equal.npz", x=np.zeros((3, 5, 2)), y=["a", "b", "a"], channels=["u", "v"])
    found = examples(tmp_path / "equal.npz")
    assert [one.values.shape for one in found] == [(5, 2)] * 3 and found[0].names == ("u", "v")
    np.savez(tmp_path / "tags.npz", x=np.zeros((3, 2)), lengths=[1, 2], y=["a", "b", "c"])
    assert [one.answers for one in examples(tmp_path / "tags.npz", of_steps=True)] == [["a"], ["b", "c"]]


BAD_TABLES = [
    ("1,2,a\n3,?,a\n", "line 2 has no value for channel 2"),
    ("1,2,a\n3,,a\n", "line 2 has no value for channel 2"),
    ("u,v,label\n3,NaN,a\n", "line 2 has no value for channel v"),
    ("1,2,a\n3,inf,a\n", "line 2 has an infinite number for channel 2"),
    ("1,2,a\n-1e31,4,a\n", "line 2 has -1e\\+31"),
    ("1,2,a\n3,x,a\n", "line 2 has 'x' for channel 2, which is no number"),
    ("1,2,a\n3,1_0,a\n", "line 2 has '1_0' for channel 2"),
    ("1,2,a\n3,4,5,a\n", "line 2 has 4 columns and not 3"),
    ("1 2 a\n3 4\n", "line 2 has 2 columns and not 3"),
    ("1,2,a\n3,4,b\n", "line 2 has 'b' in its last column"),
    ("1,2,\n3,4,a\n", "line 2 has 'a' in its last column"),
    ("1,2,\n3,4,\n", "line 1 has no label, tag or target"),
    ("5\n6\n", "line 1 has one column"),
    ("u,u,label\n1,2,a\n", "line 1 is a heading with"),
    ('1,2,"a\n', "quotes in .*line 1"),
    ("\n\n", "there is no sequence"),
    ("u,v,label\n", "there is no sequence"),
    ("1,2,a\n\n1,2,3,a\n", "line 3 has 4 columns"),
]


@pytest.mark.parametrize(("text", "words"), BAD_TABLES)
def test_a_bad_table_is_one_line_that_names_the_place(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(CorpusError, match=words) as caught:
        charlm.train(path, task="classify", input="vectors", **FEW)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


HEAD = "@problemName x\n@classLabel true a b\n@data\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "1,2:3:a\n", "line 4 has 1 numbers for channel 2 and 2 for channel 1"),
        (HEAD + "1,2:3,4:a\n1,2:b\n", "line 5 has 1 channels and not 2"),
        (HEAD + "1,?:3,4:a\n", r"line 4 \(step 2\) has no value for channel 1"),
        (HEAD + "1,2:3,inf:a\n", r"line 4 \(step 2\) has an infinite number for channel 2"),
        (HEAD + "1,2:3,4:c\n", "line 4 has the label 'c'"),
        (HEAD + ":1:a\n", r"line 4 \(step 1\) has no value for channel 1"),
        (HEAD, "there is no sequence"),
        ("@classLabel true a b\n1,2:a\n", "line 2 stands before the line @data"),
        ("@classLabel true a b\n", "no line @data"),
        ("@targetLabel true\n@data\n1,2:3\n", "line 1.*targetLabel"),
        ("@timeStamps true\n@data\n", "line 1.*time stamps"),
        ("@problemName x\n@data\n1,2\n", "line 2.*no labels"),
    ],
)
def test_a_bad_ts_file_is_one_line_that_names_the_place(tmp_path, text, words):
    with pytest.raises(CorpusError, match=words) as caught:
        charlm.train(written(tmp_path, text, "a.ts"), task="classify", input="vectors", **FEW)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"y": ["a"]}, "no array x"),
        ({"x": np.zeros((3, 2)), "y": ["a"], "lengths": [2]}, "whose sum is 3"),
        ({"x": np.zeros((3, 2)), "y": ["a", "b"], "lengths": [4, -1]}, "integers from 1 on"),
        ({"x": np.zeros((3, 2)), "y": ["a", "b"], "lengths": [3]}, "y of the shape"),
        ({"x": np.zeros((3, 2)), "y": [0.5], "lengths": [3]}, "y of float64"),
        ({"x": np.zeros((3, 2)), "y": np.array(["a"], object), "lengths": [3]}, "objects of Python"),
        ({"x": np.array(["a"]), "y": ["a"]}, "give numbers"),
        ({"x": np.zeros((2, 2, 2, 2)), "y": ["a"]}, "shape"),
        ({"x": np.array([[1, np.nan]]), "y": ["a"]}, r"sequence 1 \(step 1\) has no value for channel 2"),
        ({"x": np.array([[1, np.inf]]), "y": ["a"]}, "infinite"),
        ({"x": np.zeros((1, 2)), "y": ["a"], "channels": ["u"]}, "names"),
        ({"x": np.zeros((2, 2))}, "no answer"),
    ],
)
def test_a_bad_archive_is_one_line(tmp_path, arrays, words):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(CorpusError, match=words) as caught:
        charlm.train(tmp_path / "a.npz", task="classify", input="vectors", **FEW)
    assert "\n" not in str(caught.value)


def test_a_damaged_archive_is_one_line(tmp_path):
    arrays, labels = waves(4)
    data = bytearray(as_archive(tmp_path / "a.npz", arrays, labels).read_bytes())
    random = np.random.default_rng(1)
    for number in range(60):
        changed = data[: random.integers(0, len(data))] if number % 3 == 0 else bytearray(data)
        for place in random.integers(0, max(1, len(changed)), 3):
            if len(changed):
                changed[place] = random.integers(0, 256)
        (tmp_path / "b.npz").write_bytes(changed)
        try:
            examples(tmp_path / "b.npz")
        except CorpusError as error:
            assert "\n" not in str(error) and len(str(error)) < 300


@pytest.mark.parametrize("form", ["table", "ts"])
def test_a_mutated_text_is_one_line_or_examples(tmp_path, form):
    arrays, labels = waves(5)
    data = (as_table(arrays, labels) if form == "table" else as_ts(arrays, labels)).encode()
    random, pieces = (
        np.random.default_rng(2),
        [b",", b"\n", b"\n\n", b'"', b"?", b"nan", b"1e400", b"@data\n", b"\xff", b":"],
    )
    for number in range(300):
        changed = bytearray(data[: random.integers(1, len(data))] if number % 4 == 0 else data)
        for place in random.integers(0, len(changed), 2):
            changed[place : place + number % 2] = pieces[random.integers(0, len(pieces))]
        (tmp_path / "a.txt").write_bytes(changed)
        try:
            found = examples(tmp_path / "a.txt")
        except CorpusError as error:
            assert "\n" not in str(error) and "a.txt" in str(error) and len(str(error)) < 400
        else:
            assert all(np.isfinite(one.values).all() and one.values.size and one.answers[0] for one in found)


# Channels


def test_channels_are_standardized_by_the_training_part():
    values = np.array([[1.0, 5.0, 1e20], [3.0, 5.0, 3e20]])
    channels = Channels.of([values[:1], values[1:]], ("a", "b", "c"))
    assert channels.mean == (2.0, 5.0, float(np.float32(2e20))) and channels.deviation[:2] == (1.0, 1.0)
    assert np.allclose(channels.standardized(values), [[-1, 0, -1], [1, 0, 1]], rtol=1e-6)
    assert channels.standardized(np.array([[1e30, 0, 0]]))[0, 0] == np.float32(1e6)
    assert Channels.from_fields(json.loads(json.dumps(channels.fields()))) == channels and channels.width == 3


def test_slopes_are_those_of_the_nearest_straight_lines():
    random = np.random.default_rng(4)
    values = random.normal(0, 1, (9, 3))
    lines = [np.polyfit(range(5), values[t - 2 : t + 3], 1)[0] for t in range(2, 7)]
    assert np.allclose(slopes_of(values)[2:7], lines)
    beyond = np.concatenate((values[:1], values[:1], values, values[-1:], values[-1:]))
    assert np.allclose(slopes_of(values), slopes_of(beyond)[2:-2])
    assert not slopes_of(values[:1]).any()


def test_slopes_are_standardized_within_their_sequences():
    """By their root mean square in the training part; no slope leads from a sequence to the next one."""
    sequences = [np.array([[0.0, 4.0]] * 5), np.array([[t, 4.0] for t in range(20, 33)])]
    channels = Channels.of(sequences, with_slopes=True)
    assert channels.slopes[1] == 1.0 and channels.width == 4  # the second channel never changes
    found = np.concatenate([channels.standardized(values) for values in sequences])
    plain = Channels.of(sequences)
    assert np.array_equal(found[:, :2], np.concatenate([plain.standardized(values) for values in sequences]))
    assert not found[:5, 2].any() and np.allclose((found[:, 2] ** 2).mean(), 1) and not found[:, 3].any()
    assert np.allclose(found[7:16, 2] * channels.slopes[0] * channels.deviation[0], 1)
    assert Channels.from_fields(json.loads(json.dumps(channels.fields()))) == channels
    assert np.abs(channels.standardized(np.array([[-1e30, 0], [1e30, 0]]))).max() == np.float32(1e6)


@pytest.mark.parametrize(
    "changes",
    [
        {"names": []},
        {"names": ["a", "a"]},
        {"names": ["a", ""]},
        {"names": ["a", 3]},
        {"mean": [1.0]},
        {"mean": [1.0, 2]},
        {"mean": [1.0, 1e300]},
        {"deviation": [1.0, 0.0]},
        {"deviation": [1.0, -1.0]},
        {"deviation": [1.0, True]},
        {"slopes": [1.0]},
        {"slopes": [1.0, 0.0]},
        {"slopes": [1.0, "1"]},
        {"slopes": 3},
    ],
)
def test_hostile_channels_are_refused(changes):
    good = {"names": ["a", "b"], "mean": [0.0, 1.0], "deviation": [1.0, 2.0]}
    assert len(Channels.from_fields(good)) == 2
    with pytest.raises((ValueError, TypeError)):
        Channels.from_fields(good | changes)


# The tasks


@pytest.fixture(scope="module")
def classifier():
    arrays, labels = waves(60)
    return charlm.train(arrays=arrays, labels=labels, epochs=12, hidden=8, threads=1, progress=False)


@pytest.fixture(scope="module")
def tagger():
    """Each step is tagged by the sign of the sum of the first channel so far."""
    random = np.random.default_rng(2)
    arrays = [random.normal(0, 1, (int(random.integers(4, 12)), 1)) for _ in range(150)]
    tags = [["plus" if total > 0 else "minus" for total in np.cumsum(one)] for one in arrays]
    return charlm.train(arrays=arrays, labels=tags, epochs=12, hidden=8, threads=1, progress=False), arrays, tags


@pytest.fixture(scope="module")
def translator():
    """The target spells the channel that is high at each step."""
    random = np.random.default_rng(3)
    words = ["".join(random.choice(list("abc"), random.integers(1, 5))) for _ in range(300)]
    arrays = [
        np.eye(3)[["abc".index(letter) for letter in word]] + random.normal(0, 0.1, (len(word), 3)) for word in words
    ]
    options = {"epochs": 25, "hidden": 24, "threads": 1, "progress": False, "dropout": 0.0, "lr": 0.01}
    return charlm.train(arrays=arrays, labels=words, task="translate", **options), arrays, words


def test_a_classifier_learns(classifier, tmp_path):
    arrays, labels = waves(40, seed=7)
    found = charlm.evaluate(classifier, arrays=arrays, labels=labels)
    assert found["accuracy"] == 1.0
    for path in (
        written(tmp_path, as_table(arrays, labels)),
        written(tmp_path, as_ts(arrays, labels), "a.ts"),
        as_archive(tmp_path / "a.npz", arrays, labels),
    ):
        assert charlm.evaluate(classifier, path) == found
    predictions = charlm.predict(classifier, arrays, top=2)
    assert [next(iter(one)) for one in predictions] == labels and all(len(one) == 2 for one in predictions)


def test_a_tagger_learns(tagger):
    model, arrays, tags = tagger
    assert charlm.evaluate(model, arrays=arrays, labels=tags)["step_accuracy"] > 0.9
    (found,) = charlm.predict(model, arrays[:1])
    assert len(found["tags"]) == len(found["probabilities"]) == len(arrays[0])


def test_a_translator_learns(translator):
    model, arrays, words = translator
    assert charlm.evaluate(model, arrays=arrays, labels=words)["exact_match"] > 0.9
    found = charlm.predict(model, arrays[:5], beam=2)
    assert [one["target"] for one in found] == words[:5]
    assert model.architecture.channels == 3 and "encoder.E" not in model.named_parameters


def test_a_model_of_vectors_has_format_9_and_comes_back(classifier, tagger, translator, tmp_path):
    for model in (classifier, tagger[0], translator[0]):
        model.save(tmp_path / "m.npz")
        with np.load(tmp_path / "m.npz") as file:
            assert json.loads(bytes(file["header"]))["format"] == 9
        again = charlm.load(tmp_path / "m.npz")
        assert again.task == model.task and again.architecture == model.architecture
        again.save(tmp_path / "n.npz")
        assert (tmp_path / "n.npz").read_bytes() == (tmp_path / "m.npz").read_bytes()
        assert "channel" in model.summary() and "channel" in repr(model)


def test_predict_prints_a_row_for_each_sequence(classifier, tmp_path):
    classifier.save(tmp_path / "m.npz")
    arrays, labels = waves(4, seed=8)
    whole, bare = (
        as_table(arrays, labels),
        "\n\n".join("\n".join(f"{a!r},{b!r}" for a, b in one.tolist()) for one in arrays),
    )
    for text in (whole, bare):
        found = run("predict", "-m", tmp_path / "m.npz", written(tmp_path, text))
        assert [row.split("\t")[0] for row in found.stdout.splitlines()] == labels, found.output
    path = as_archive(tmp_path / "a.npz", arrays, labels)
    records = [json.loads(row) for row in run("predict", "-m", tmp_path / "m.npz", "--json", path).stdout.splitlines()]
    assert [one["label"] for one in records] == labels and records[1]["sequence"] == f"{path}, sequence 2"
    found = run("predict", "-m", tmp_path / "m.npz", input="1,2\n\n1,x\n3,4\n\n5,6\n")
    assert found.exit_code == 1 and found.stdout.count("\n") == 3 and found.stdout.splitlines()[1] == ""
    assert re.search("standard input, line 3 has 'x' for channel 2", found.stderr), found.stderr


def test_predict_adds_a_column_with_the_tags(tagger, tmp_path):
    tagger[0].save(tmp_path / "m.npz")
    text = "1.5,a\n-2,b\n\n3,c\n"
    found = run("predict", "-m", tmp_path / "m.npz", written(tmp_path, text)).stdout.splitlines()
    assert [row.rsplit(",", 1)[0] for row in found] == ["1.5,a", "-2,b", "", "3,c", ""], found
    assert {row.rsplit(",", 1)[1] for row in found if row} <= {"plus", "minus"}
    record = json.loads(run("predict", "-m", tmp_path / "m.npz", "--json", input="1.5\n-2\n").stdout)
    assert len(record["tags"]) == 2 and record["sequence"] == "standard input, line 1"


def test_other_channels_than_the_models_are_an_error(classifier, tmp_path):
    with pytest.raises(CorpusError, match="3 channels, and the training file or the model has 2"):
        charlm.predict(classifier, [np.zeros((4, 3))])
    with pytest.raises(CorpusError, match="5 columns.*2 channels"):
        charlm.evaluate(classifier, written(tmp_path, "1,2,3,4,up\n"))
    with pytest.raises(CorpusError, match="no answer"):
        charlm.evaluate(classifier, written(tmp_path, "1,2\n"))
    with pytest.raises(CorpusError, match="the label 'left' in .*line 1 does not occur"):
        charlm.evaluate(classifier, written(tmp_path, "1,2,left\n"))
    text = as_table(*waves(8), ",", "u,v,label\n")
    model = charlm.train(written(tmp_path, text), task="classify", input="vectors", **FEW)
    assert model.task.channels.names == ("u", "v")
    swapped = written(tmp_path, as_table(*waves(8), ",", "v,u,label\n"), "b.csv")
    with pytest.raises(CorpusError, match="put the columns into this order"):
        charlm.evaluate(model, swapped)


def test_commands_that_write_or_score_text_say_so_in_one_line(classifier, tmp_path):
    classifier.save(tmp_path / "m.npz")
    text = written(tmp_path, "abc\n")
    for command in (
        ["sample", "-m"],
        ["perplexity", text, "-m"],
        ["states", "--per-line", text, "-m"],
        ["report", text, "--output", tmp_path / "p.html"],
    ):
        found = run(*command, tmp_path / "m.npz")
        assert found.exit_code == 1 or found.exit_code == 2, found.output
        assert "use charlm predict or charlm evaluate" in found.output and found.output.count("\n") == 1, found.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "text"}, "goes with --task classify or tag or translate"),
        ({"task": "generate"}, "goes with --task"),
        ({"task": "classify", "level": "word"}, "--level is for texts"),
        ({"task": "classify", "columns": "1,2"}, "--columns is for texts"),
        ({"task": "classify", "multi_label": True}, "--multi-label is for texts"),
        ({"task": "tag", "min_count": 2}, "--min-count is for texts"),
        ({"task": "classify", "cell": "feedforward"}, "feedforward"),
        ({"task": "classify", "embedding": 4}, "leave --embedding out"),
        ({"task": "classify", "ngrams": 2}, "--ngrams goes with"),
    ],
)
def test_options_that_do_not_go_with_vectors(tmp_path, options, words):
    path = written(tmp_path, as_table(*waves(8)))
    with pytest.raises(UsageError, match=words):
        charlm.train(path, input="vectors", **FEW | options)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"arrays": "abc", "labels": ["a"]}, "list of arrays"),
        ({"arrays": [[1, 2], [3]], "labels": ["a"]}, "2 sequences, and there are 1 labels"),
        ({"arrays": [[[1, 2], [3]]], "labels": ["a"]}, r"arrays\[0\] is rows of different lengths"),
        ({"arrays": [["a"]], "labels": ["a"]}, r"arrays\[0\] is <U1"),
        ({"arrays": np.zeros((3, 2)), "labels": ["a"] * 3}, "one array of the shape"),
        ({"arrays": [np.zeros((3, 2)), np.zeros((3, 1))], "labels": ["a", "b"]}, "same channels"),
        ({"arrays": [np.zeros((3, 2))], "labels": [["a"]]}, "1 tags for a sequence of 3 steps"),
        ({"arrays": [np.zeros((3, 2))], "labels": [1.5]}, "strings or integers"),
        ({"arrays": [np.zeros((3, 2))]}, "needs labels="),
        ({"labels": ["a"]}, "labels= goes with arrays="),
        ({"arrays": [np.zeros((3, 2))], "labels": ["a"], "text": "abc"}, "several texts"),
        ({"arrays": [np.zeros((3, 2))], "labels": ["a"], "valid": [1]}, "pair"),
    ],
)
def test_arrays_that_cannot_be(given, words):
    with pytest.raises(UsageError, match=words):
        charlm.train(**given, **FEW)


def test_the_most_channels_of_a_step():
    arrays = [np.zeros((1, MOST_CHANNELS + 1))] * 2
    with pytest.raises(CorpusError, match=r"arrays\[0\] has 65,537 channels; 65,536 is the most"):
        charlm.train(arrays=arrays, labels=["a", "b"], **FEW)


def test_few_sequences_are_all_learnt_from_unless_somebody_says_otherwise():
    arrays, labels = waves(40)
    given = {"arrays": arrays, "labels": labels} | FEW
    assert charlm.train(**given).training["corpus"]["held_out_tokens"] == 0
    assert charlm.train(**given, holdout=0.1).training["corpus"]["held_out_tokens"] in range(4 * 5, 4 * 13)
    valid = waves(6, seed=9)
    model = charlm.train(**given, valid=valid)
    assert model.training["corpus"]["held_out_tokens"] == sum(map(len, valid[0])) and model.training["valid_loss"] > 0


def test_noise_is_for_training_only_and_the_same_in_every_run(tmp_path):
    arrays, labels = waves(20)
    given = {"arrays": arrays, "labels": labels} | FEW
    models = [charlm.train(**given, noise=noise) for noise in (None, 0.6, 0.0, 0.6)]
    found = [model.parameters.tobytes() for model in models]
    assert found[0] == found[1] == found[3] != found[2]
    settings = [model.training["settings"].get("noise") for model in models]
    assert settings == [0.6, 0.6, None, 0.6] and "noise 0.6" in models[0].summary()
    assert charlm.predict(models[0], arrays) == charlm.predict(models[0], arrays)
    with pytest.raises(UsageError, match="--noise goes with --input vectors"):
        charlm.train(text="abc\n" * 50, noise=0.5, **FEW)


def test_noise_is_as_large_as_the_steps_of_a_sequence():
    """However far apart the sequences are."""
    far_apart = [np.array([[-1, 6], [1, 6]], np.float32), np.array([[9, -6]] * 3 + [[11, -6]] * 3, np.float32)]
    part = VectorSequences(far_apart, 2)
    assert part.within.dtype == np.float32 and part.within.tolist() == [1.0, 0.0]
    inputs, random = np.zeros((200, 400, 2), np.float32), np.random.default_rng(1)
    assert noisy(inputs, part, random) is inputs
    part.noise = 0.5
    noise = noisy(inputs, part, random)
    assert noise.dtype == np.float32 and abs(noise.mean()) < 0.05
    assert abs(noise.mean(0).std() - 0.25) < 0.03
    assert abs((noise - noise.mean(0))[:, :, 0].std() - 0.5) < 0.01 and not np.ptp(noise[:, :, 1], axis=0).any()


# The promises


def trained_bytes(tmp_path, name, **options):
    arrays, labels = waves(40)
    given = {"epochs": 3, "hidden": 5, "dropout": 0.3, "progress": False, "batch": 8} | options
    charlm.train(arrays=arrays, labels=labels, output=tmp_path / name, **given)
    return (tmp_path / name).read_bytes()


@pytest.mark.parametrize("shards", [1, 4])
def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(tmp_path, shards):
    found = {trained_bytes(tmp_path, f"{threads}.npz", threads=threads, shards=shards) for threads in (1, 2, 3)}
    assert len(found) == 1 and found != {trained_bytes(tmp_path, "other.npz", seed=2, shards=shards)}


@pytest.mark.parametrize("task", ["classify", "tag", "translate"])
def test_a_stopped_training_resumes_to_the_same_bytes(tmp_path, task):
    arrays, labels = waves(24)
    answers = [[label] * len(one) for one, label in zip(arrays, labels, strict=True)] if task == "tag" else labels
    given = {"arrays": arrays, "labels": answers, "task": task, "holdout": 0.2, "batch": 4} | FEW | {"epochs": 4}
    charlm.train(**given, output=tmp_path / "whole.npz")
    steps = iter(range(100))
    charlm.train(**given, output=tmp_path / "cut.npz", stop=lambda: next(steps) == 9)
    assert (tmp_path / "cut.checkpoint.npz").exists()
    charlm.train(arrays=arrays, labels=answers, task=task, output=tmp_path / "cut.npz", resume=True, progress=False)
    assert (tmp_path / "whole.npz").read_bytes() == (tmp_path / "cut.npz").read_bytes()


def test_another_corpus_is_not_resumed(tmp_path):
    arrays, labels = waves(24)
    given = {"labels": labels, "output": tmp_path / "m.npz"} | FEW | {"epochs": 4}
    charlm.train(arrays=arrays, stop=lambda: True, **given)
    arrays[0] = arrays[0] + 1
    with pytest.raises(ModelFileError, match="cannot resume"):
        charlm.train(arrays=arrays, resume=True, **given)
    arrays[0] = arrays[0] - 1
    with pytest.raises(ModelFileError, match="cannot resume.*noise"):
        charlm.train(arrays=arrays, resume=True, noise=0.1, **given)


def test_a_training_goes_on_with_a_model_of_vectors(classifier):
    """It keeps the channels; a new label gets an output of its own."""
    arrays, labels = waves(20, seed=5)
    more, new = [one * [0.0, 1.0] + [5.0, 0.0] for one in arrays], ["flat"] * len(arrays)
    model = charlm.train(arrays=[*arrays, *more], labels=[*labels, *new], base=classifier, epochs=15, progress=False)
    assert model.task.channels == classifier.task.channels and model.task.labels == (*classifier.task.labels, "flat")
    assert charlm.evaluate(model, arrays=more, labels=new)["accuracy"] == 1.0
    assert model.architecture.channels == 2 * len(model.task.channels) == 4
    with pytest.raises(CorpusError, match="channels"):
        charlm.train(arrays=[np.zeros((3, 5))] * 2, labels=["up", "down"], base=classifier, epochs=1, progress=False)
    with pytest.raises(UsageError, match="contradicts"):
        charlm.train(arrays=arrays, labels=labels, base=classifier, cell="lstm", progress=False)


def test_dropping_the_second_direction(tmp_path):
    path = written(tmp_path, as_table(*waves(8)))
    found = run(
        "train",
        path,
        "--input",
        "vectors",
        "--task",
        "classify",
        "--epochs",
        "1",
        "--no-bidirectional",
        "-o",
        tmp_path / "m.npz",
    )
    assert found.exit_code == 0, found.output
    assert not charlm.load(tmp_path / "m.npz").architecture.bidirectional
    assert charlm.train(path, task="classify", input="vectors", **FEW).architecture.bidirectional


def hostile(classifier, tmp_path, **changes):
    """The file of a model whose header says something else about its vectors."""
    from charlm.modelfile import arrays_of, model_header, write_archive

    header = model_header(classifier)
    for name, value in changes.items():
        header[name] = header[name] | value if isinstance(value, dict) else value
    write_archive(tmp_path / "h.npz", header, arrays_of(classifier))
    return tmp_path / "h.npz"


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": {"channels": 3}},
        {"architecture": {"channels": 2.0}},
        {"architecture": {"embedding": 4}},
        {"task": {"vectors": 3}},
        {"task": {"vectors": {"names": ["a"], "mean": [0.0], "deviation": [1.0]}}},
        {"task": {"vectors": {"names": ["a", "b"], "mean": [0.0, 0.0], "deviation": [1.0, 1.0]}}},
        {"task": {"vectors": {"names": ["a", "b"], "mean": [0.0, 0.0], "deviation": [1.0, float(0)]}}},
        {"task": {"name": "generate"}},
        {"task": {"name": "text"}},
        {"task": {"name": "classify", "labels": ["up", "down"], "vectors": None}},
    ],
)
def test_a_hostile_model_file_is_refused(classifier, tmp_path, changes):
    with pytest.raises(ModelFileError, match="damaged"):
        charlm.load(hostile(classifier, tmp_path, **changes))


def test_a_model_of_text_has_no_channels(tmp_path):
    model = charlm.train(pairs=[("a", "xx"), ("b", "yy")] * 8, task="classify", **FEW)
    assert ClassifyVectors.input == "vectors" and model.task.input == "text"
    with pytest.raises(ModelFileError, match="damaged"):
        charlm.load(hostile(model, tmp_path, architecture={"channels": 4}))
