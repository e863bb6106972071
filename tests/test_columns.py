"""Files of columns: charlm finds the delimiter and the columns, reads what they hold, and names the first line that
differs."""

import csv
import io
import json
import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_tasks import SMALL, check_error, run

import charlm
from charlm.errors import CorpusError, ModelFileError, Note, UsageError
from charlm.learning.autotune import new_trainer
from charlm.model import load_model
from charlm.modelfile import write_archive
from charlm.predicting import Predictor
from charlm.tasks.classify import Classify
from charlm.tasks.sentences import SENTENCES
from charlm.tasks.translate import FORM as PAIRS
from charlm.text.columns import CONLLU, LOOKED_AT, Columns, column_text, find_columns, parse_names

LABELLED = Classify.form()


def located(text):
    return [(f"f, line {number}", line) for number, line in enumerate(text.split("\n")[:-1], 1)]


def examples(form, text, columns=None):
    """The examples of a file."""
    lines = located(text)
    return [example for _, example in form.read(iter(lines), form.find(lines[:LOOKED_AT], columns))]


def check_corpus_error(words, form, text, columns=None):
    with pytest.raises(CorpusError) as caught:
        examples(form, text, columns)
    assert all(word in str(caught.value) for word in words.split()), caught.value


# What is found


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("1\tx\tab\n2\ty\tb\n", "2,3"),
        ("x,ab,1\ny,b,2\n", "1,2"),
        ("text;label\nab;x\nb;y\n", "label,text"),
        ("id|text|label\n1|ab|x\n2|b|y\n", "label, text"),
        ("id,label,text\n1,x,ab\n2,y,b\n", "2,text"),
        ("label,text,\nx,ab,\ny,b,\n", "label,text"),
        ('"text","label"\n"ab","x"\n"b","y"\n', "label,text"),
        ('{"text": "ab", "label": "x"}\n\n{"id": 3, "label": "y", "text": "b"}\n', "label,text"),
        ("label\ttext\nx\tab\ny\tb\n", ("label", "text")),
        ("label,text\n\nx,ab\n\ny,b\nlabel,text\n", "label,text"),  # two files after each other
        ("label,text\nx,ab\ntext,label\nb,y\n", "label,text"),
    ],
)
def test_the_columns_of_a_table(text, columns):
    found = [example for example in examples(LABELLED, text, columns) if example != ("label", "text")]
    assert found == [("x", "ab"), ("y", "b")]


def test_quotes_hold_delimiters_line_feeds_and_quotes():
    text = 'label,text\nx,"a, ""b""\nc"\n"y\n z",d\n'
    assert examples(LABELLED, text, "label,text") == [("x", 'a, "b" c'), ("y z", "d")]
    assert examples(PAIRS, 'a\t"b\tc"\nd\te\n', "1,2") == [("a", "b\tc"), ("d", "e")]
    assert examples(SENTENCES, "a b\tN P\nc\tV\n", "1,2") == [(["a b", "c"], ["N P", "V"])]  # as somebody said
    late = "a\tb\n" * 1000 + 'c\t"d\n'  # a quote in a TSV that has none at its beginning is text
    assert examples(PAIRS, late, "1,2")[-1] == ("c", '"d')
    open_quote = 'a\t"b\n' + "c\td\n" * 1000
    assert examples(PAIRS, open_quote, "1,2")[0] == ("a", '"b')
    literal = 'a\t"b" or c\nd\t"e\n'  # no CSV
    assert examples(PAIRS, literal, "1,2") == [("a", '"b" or c'), ("d", '"e')]


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.text("ab \",;|\t'", max_size=5), min_size=3, max_size=3), min_size=1, max_size=4),
    st.sampled_from(",;|"),
)
@example([["", "", ""]], "|")
def test_what_the_csv_module_writes_is_read(rows, delimiter):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerows([["first", "second", "third"], *rows])
    lines = located(file.getvalue())
    names = ("third", "first")
    found = find_columns(names, lines)
    kept = [(row[2], row[0]) for row in rows if any(map(str.strip, row)) and not {*names} <= {*map(str.strip, row)}]
    assert [example for _, example in PAIRS.read(iter(lines), found)] == kept


def test_an_empty_last_column_is_none():
    assert examples(LABELLED, "x\tab\t\ny\tb\t\t\n") == [("x", "ab"), ("y", "b")]
    assert examples(PAIRS, "a\tb\t\nc\td\n") == [("a", "b"), ("c", "d")]
    assert examples(SENTENCES, "a\tO\t\nb\tX\t\n") == [(["a", "b"], ["O", "X"])]
    assert examples(LABELLED, "x\tab\ny\t\n") == [("x", "ab"), ("y", "")]  # the last of two is the text


@pytest.mark.parametrize("mark", ["\t", " ", "\v", "\u3000", " \t "])
def test_the_label_of_fasttext_ends_at_any_white_space(mark):
    assert examples(LABELLED, f"__label__pos{mark}good film\n__label__neg\n") == [("pos", "good film"), ("neg", "")]


def test_white_space_around_and_within_a_label_does_not_matter():
    assert [label for label, _ in examples(LABELLED, "bad\ta\nbad \tb\n very  good\tc\n")] == [
        "bad",
        "bad",
        "very good",
    ]


@pytest.mark.parametrize(
    ("words", "text", "columns"),
    [
        ("line 1 3 columns '0' 'very good' 'match' --columns 2,3", "0\tvery good\tmatch\n", None),
        ("line 2 3 columns 2 tabs", "x\tab\ny\tb\tc\n", None),
        ("line 2 2 columns 3 commas", "1,x,a\n2,y\n", "2,3"),
        ("line 2 4 columns 3 commas quotes", "1,x,a\n2,y,b,c\n", "2,3"),
        ("column 4 3 columns tabs '1' 'x'", "1\tx\ta\n", "2,4"),
        ("column 'kind' 2 columns commas 'label' 'text'", "label,text\nx,a\n", "kind,text"),
        ("column 'kind' one column no tab", "a b c\n", "kind,text"),
        ("line 2 quotes CSV", 'label,text\nx,"a\ny,b\n', "label,text"),
        ("line 2 JSON", '{"label": "x", "text": "a"}\nb\n', "label,text"),
        ("line 2 'text' 'label' --columns", '{"label": "x", "text": "a"}\n{"label": "x"}\n', "label,text"),
        ("line 1 null 'text'", '{"label": "x", "text": null}\n', "label,text"),
        ("line 1 list", '{"label": ["x"], "text": "a"}\n', "label,text"),
        ("line 1 surrogate 'text'", '{"label": "x", "text": "\\ud800"}\n', "label,text"),
        ("line 1 JSON --columns label,text", '{"label": "x", "text": "a"}\n', None),
        ("line 2 __label__", "x\ta\n__label__y b\n", None),
        ("line 2 __label__", "__label__y b\nx\ta\n", None),
        ("line 1 two labels", "__label__x a __label__y\n", None),
        ("line 1 no label", "__label__ a\n", None),
    ],
)
def test_a_file_without_these_columns(words, text, columns):
    check_corpus_error(words, LABELLED, text, columns)


@pytest.mark.parametrize("columns", ["label", "a,b,c", "a,", "0,1", "70000000,1", ""])
def test_names_that_cannot_be(columns):
    with pytest.raises(UsageError, match="--columns"):
        parse_names(columns, ("label", "text"), "classify")


# Sentences


def of_conllu(words, tags):
    return "".join(
        f"{number}\t{word}\t_\t{tag}\tX{tag}\t_\t0\troot\t_\t_\n"
        for number, (word, tag) in enumerate(zip(words, tags, strict=True), 1)
    )


def test_conllu():
    text = "# sent_id = 1\n# text = a #b\n" + of_conllu(["a", "#b", "c"], "XYZ")
    text = text.replace("2\t#b", "2-3\t#bc" + "\t_" * 8 + "\n2\t#b") + "3.1" + "\t_" * 9 + "\n\n# a\n"
    text += of_conllu(["d"], "X")
    wanted = [(["a", "#b", "c"], list("XYZ")), (["d"], ["X"])]
    assert examples(SENTENCES, text) == wanted
    by_name = [(["a", "#b", "c"], ["XX", "XY", "XZ"]), (["d"], ["XX"])]
    assert examples(SENTENCES, text, "form,xpos") == examples(SENTENCES, text, "2,5") == by_name
    columns = SENTENCES.find(located(text), None)
    assert "FORM and UPOS" in " ".join(SENTENCES.notes(wanted, columns)) and len(CONLLU) == 10


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("# id 0\na\tO\n\n# id 1\nb\tX\n", [(["a"], ["O"]), (["b"], ["X"])]),
        ("#id\na O\n# more\n#x\nb X\n", None),
        ("# id 0\na y O\n# z O\n\n# id 1\nb y X\n", [(["a", "#"], ["O", "O"]), (["b"], ["X"])]),
        ("#tag\tO\n#\tX\n", [(["#tag", "#"], ["O", "X"])]),
        ("a\tO\n# text\n#word\tX\n", [(["a", "#word"], ["O", "X"])]),
        ("a b c  O\nd e f X\n", [(["a", "d"], ["O", "X"])]),
    ],
)
def test_comments_are_no_words(text, sentences):
    if sentences is None:
        check_corpus_error("line 4 one column", SENTENCES, text)
    else:
        assert examples(SENTENCES, text) == sentences


def test_other_files_of_words():
    assert examples(SENTENCES, 'tag,word\nO,a\nX,""""\n\nX,b\n', "word,tag") == [
        (["a", '"'], ["O", "X"]),
        (["b"], ["X"]),
    ]
    assert examples(SENTENCES, "Alba\tN B\nruns\tV O\n", "1,3") == [(["Alba", "runs"], ["B", "O"])]
    assert examples(SENTENCES, '{"w": ["a", "b"], "t": [0, 1]}\n{"w": [], "t": []}\n', "w,t") == [
        (["a", "b"], ["0", "1"])
    ]
    assert examples(SENTENCES, '"\tO\na\tX\n') == examples(SENTENCES, '" O\na X\n') == [(['"', "a"], ["O", "X"])]


@pytest.mark.parametrize(
    ("words", "text", "columns"),
    [
        ("line 1 tabs spaces 'NNP B-PER' --columns 1,3", "Alba\tNNP B-PER\n", None),
        ("line 2 tab spaces", "a O\nNew York\tX\n", None),
        ("line 2 no tag", "word,tag\na,\nb,X\n", "word,tag"),
        ("line 3 2 columns 3", "a\tb\tO\nc\td\tO\ne\tX\n", None),
        ("line 2 one column --columns", "a,b\tO\nc\n", None),
        ("line 1 JSON --columns word,tag", '{"w": ["a"]}\n', None),
        ("line 1 as many tags", '{"w": ["a"], "t": []}\n', "w,t"),
        ("line 1 list", '{"w": "a", "t": "b"}\n', "w,t"),
    ],
)
def test_a_file_of_words_that_charlm_cannot_read(words, text, columns):
    check_corpus_error(words, SENTENCES, text, columns)


# What is said


def notes(tmp_path, text, task, **options):
    path = tmp_path / "notes.txt"
    path.write_text(text)
    return new_trainer(path, task=task, epochs=1, **options | SMALL).corpus


def test_what_a_person_should_know_is_said(tmp_path):
    commas = "".join(f"__label__{'ab'[number % 2]},x y\n" for number in range(20))
    assert "comma" in " ".join(notes(tmp_path, commas, "classify").notes)
    once = "".join(f"label {number}\ttext\n" for number in range(20))
    assert "20 of 20 different labels occur once" in " ".join(notes(tmp_path, once, "classify").notes)
    heading = "label\ttext\n" + "x\ta\ny\tb\n" * 9
    assert "'label', occurs nowhere else" in " ".join(notes(tmp_path, heading, "classify").notes)
    assert notes(tmp_path, heading, "classify", columns="label,text").notes == (
        "charlm reads the columns 'label' and 'text' of 2, separated by tabs",
    )
    assert notes(tmp_path, "x\ta\ny\tb\n" * 9, "classify").notes == ()
    four = notes(tmp_path, "a x y O\nb x y N\n\n" * 9, "tag").notes
    assert "last of 4 columns" in four[0] and "'N'" in four[1]
    tagged = "a\tS-p\nb\tO\nc\tB-p\nd\tE-p\n\n" * 9
    assert "IOBES" in notes(tmp_path, tagged, "tag").notes[0]


def test_why_nothing_is_held_out_is_said(tmp_path):
    assert notes(tmp_path, "x\ta\ny\tb\n", "classify").why_no_held_out == "0.1 of 2 examples is less than one"
    assert notes(tmp_path, "x\ta\ny\tb\n", "classify", holdout=0).why_no_held_out == ""
    once = "".join(f"{number}\ttext\n" for number in range(20))
    assert "each of the 2 examples" in notes(tmp_path, once, "classify").why_no_held_out
    assert notes(tmp_path, "ab\ncd\n", "text", lines=True).why_no_held_out == "0.1 of 2 lines is less than one"
    (tmp_path / "few.tsv").write_text("x\ta\ny\tb\n")
    arguments = ("train", tmp_path / "few.tsv", "--task", "classify", "--epochs", 1, "--hidden", 2, "-o")
    assert "nothing is held out (0.1 of 2 examples is less than one)" in run(*arguments, tmp_path / "m.npz").stderr


# A model of columns


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("columns")
    rows = [f'{number},{"xy"[number % 2]},"{"ab"[number % 2] * 2},\n{"ab"[number % 2]}"\n' for number in range(60)]
    (folder / "table.csv").write_text("id,label,text\n" + "".join(rows))
    return folder


@pytest.fixture(scope="module")
def classifier(folder):
    model = charlm.train(folder / "table.csv", task="classify", columns=["label", "text"], epochs=12, **SMALL)
    model.save(folder / "classifier.npz")
    return load_model(folder / "classifier.npz")


def test_a_model_reads_the_columns_again(folder, classifier):
    assert classifier.task.labels == ("x", "y") and classifier.task.columns.names == ("label", "text")
    (folder / "new.csv").write_text('text,other\n"bb,\nb",1\naaa,2\n"b"",b",3\n')
    model = ["--model", folder / "classifier.npz"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = run("predict", *model, folder / "new.csv").stdout.splitlines()
        found = json.loads(run("evaluate", *model, folder / "table.csv", "--json").stdout)
    assert [row[0] for row in rows] == ["y", "x", "y"] and (found["lines"], found["accuracy"]) == (60, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        plain = run("predict", *model, input="aa, a\n\nbbb\n")
    assert [row[0] for row in plain.stdout.splitlines()][::2] == ["x", "y"]
    assert "the input does not begin with the columns 'label' and 'text' of 3" in plain.stderr
    (folder / "bad.csv").write_text("id,text\n1,aa\n2\n")
    with open(folder / "bad.csv", "a") as file:
        file.write('3,"b\nb"\n4,b\n')
    check_error("line 3 one column 2 commas training file", "predict", *model, folder / "bad.csv")
    found = [row for rows in Predictor(classifier).rows([folder / "bad.csv"]) for row in rows]
    assert [(text, isinstance(prediction, CorpusError)) for text, prediction in found] == [
        ("aa", False), ("2", True), ("b b", False), ("b", False),
    ]  # fmt: skip
    with open(folder / "bad.csv", "a") as file:
        file.write('5,"b"b\n')
    check_error("quotes line 7 CSV", "predict", *model, folder / "bad.csv")
    assert "columns" in json.loads(run("info", folder / "classifier.npz", "--json").stdout)["task"]


def test_pairs_from_python_have_no_columns(classifier):
    assert charlm.evaluate(classifier, pairs=[("x", "aa, a"), ("y", 'b"b')])["accuracy"] == 1


@pytest.mark.parametrize("task", ["text", "classify"])
def test_line_feeds_in_quotes_are_no_other_kind_of_line_ends(folder, tmp_path, task):
    """The rows that the csv module writes end with CRLF, whatever is in their fields."""
    table = tmp_path / "table.csv"
    table.write_bytes((folder / "table.csv").read_bytes().replace(b"\n", b"\r\n").replace(b",\r\n", b",\n"))
    columns = "label,text" if task == "classify" else "text"
    with warnings.catch_warnings():
        warnings.simplefilter("error", Note)
        model = charlm.train(table, task=task, columns=columns, **SMALL | {"epochs": 1})
        charlm.evaluate(model, table)
        if task == "classify":
            assert len([row for rows in Predictor(model).rows([table]) for row in rows]) == 60


def test_rows_are_whole_however_the_input_is_cut(classifier):
    lines = ["id,text", '1,"a', "", 'b, ""c"""', "2,b", '3,"d', '"']
    whole, _ = classifier.task.item_reader()(lines, last=True)
    assert whole == ['a  b, "c"', "b", "d "]
    for cut in range(len(lines) + 1):
        read, found, rest = classifier.task.item_reader(), [], []
        for part in (lines[:cut], lines[cut:]):
            some, rest = read(rest + part)
            found += some
        assert found + read(rest, last=True)[0] == whole


def test_one_column_of_a_text(folder):
    (folder / "names.csv").write_text("id,name\n" + "".join(f'{n},"na{n % 3},\nb"\n' for n in range(60)))
    options = {"epochs": 1, "hidden": 4, "layers": 1, "ngrams": 0}
    with pytest.raises(UsageError, match="--separator and --columns"):
        charlm.train(folder / "names.csv", columns="name", separator="", **options)
    model = charlm.train(folder / "names.csv", columns="name", **options)
    assert model.lines and model.training["corpus"]["train_tokens"] == 54 * 7
    text = "".join(f"na{n % 3}, b\n" for n in range(60))
    same = charlm.train(text=text, lines=True, **options)
    assert np.array_equal(model.parameters, same.parameters)
    model.save(folder / "names.npz")
    found, wanted = (
        charlm.evaluate(load_model(folder / "names.npz"), folder / "names.csv"),
        charlm.evaluate(same, text=text),
    )
    assert found == wanted
    with pytest.warns(UserWarning, match="each line is taken as a text"):
        assert charlm.evaluate(model, text=text) == wanted
    given = column_text(folder / "names.csv", ("2",), "utf-8")[0].pieces()
    assert b"".join(given).decode() == "name\n" + text


@pytest.mark.parametrize("by", ["states", "perplexity"])
def test_the_text_of_a_table_with_labels_is_read_alone(folder, classifier, by):
    """``charlm states``, and ``charlm perplexity --given``: a row for each text, without its label and the heading."""
    texts = [f"{'ab'[number % 2] * 2}, {'ab'[number % 2]}" for number in range(60)]
    model = ["--model", folder / "classifier.npz"]
    if by == "perplexity":
        made = charlm.train(
            folder / "table.csv", task="generate", columns="label,text", **SMALL | {"epochs": 1, "hidden": 4}
        )
        made.save(folder / "writer.npz")
        model = ["--model", folder / "writer.npz", "--given", "x"]
    (folder / "texts.csv").write_text("text\n" + "".join(f'"{text}"\n' for text in texts))
    (folder / "plain.txt").write_text("".join(f"{text}\n" for text in texts))
    table, alone = (run(by, *model, "--per-line", folder / name) for name in ("table.csv", "texts.csv"))
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        plain = run(by, *model, "--per-line", folder / "plain.txt")
    assert [row.split("\t")[-1] for row in table.stdout.splitlines()] == texts
    assert table.stdout == alone.stdout == plain.stdout
    assert "each line is taken as a text" in plain.stderr and "each line" not in table.stderr + alone.stderr


def test_a_tagger_of_columns(folder, tmp_path):
    text = of_conllu(["ab", "b", "a"], ["X", "Y", "X"])
    (tmp_path / "ud.conllu").write_text(f"# text = ab b a\n{text}\n" * 40)
    model = charlm.train(tmp_path / "ud.conllu", task="tag", epochs=12, **SMALL | {"lr": 0.05})
    model.save(tmp_path / "m.npz")
    model = load_model(tmp_path / "m.npz")
    assert charlm.evaluate(model, tmp_path / "ud.conllu")["token_accuracy"] > 0.9
    assert charlm.evaluate(model, pairs=[[("ab", "X"), ("b", "Y")], [("a", "X")]])["sentences"] == 2
    rows = run("predict", "--model", tmp_path / "m.npz", tmp_path / "ud.conllu").stdout.splitlines()
    assert rows[0] == "# text = ab b a" and rows[1].split("\t")[1] == "ab" and len(rows[1].split("\t")) == 11
    assert rows[4] == "" and len(rows) == 40 * 5
    assert run("predict", "--model", tmp_path / "m.npz", input="# a\nab\nb\n").stdout.count("\t") == 2
    words = ["ab", "# a", '"', "1.1\tx", "a,b c"]  # from Python each is a word, whatever it looks like
    assert len(Predictor(model).predict([words])[0]["tags"]) == 5
    (tmp_path / "l.jsonl").write_text('{"w": ["ab", "b"], "t": ["X", "Y"]}\n' * 30)
    listed = charlm.train(tmp_path / "l.jsonl", task="tag", columns="w,t", epochs=8, **SMALL)
    listed.save(tmp_path / "l.npz")
    assert charlm.evaluate(listed, tmp_path / "l.jsonl")["tokens"] == 60
    printed = run("predict", "--model", tmp_path / "l.npz", input='{"w": ["b", "ab"]}\n').stdout.splitlines()
    assert [row.split("\t")[0] for row in printed] == ["b", "ab", ""]


@pytest.mark.parametrize(
    "change",
    [
        {"names": []},
        {"names": ["label", 2]},
        {"names": ["label", ""]},
        {"delimiter": "x"},
        {"positions": [1]},
        {"positions": [1, -2]},
        {"positions": [1, 10**9]},
        {"width": 2},
        {"width": "3"},
        {"heading": 1},
        {"more": 1},
    ],
    ids=str,
)
def test_a_header_is_checked(folder, classifier, tmp_path, change):
    with np.load(folder / "classifier.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("header").tobytes())
    header["task"]["columns"] |= change
    write_archive(tmp_path / "m.npz", header, arrays)
    with pytest.raises(ModelFileError):
        load_model(tmp_path / "m.npz")


def test_the_columns_in_words():
    one = Columns(names=("name",), delimiter=",", positions=(1,), width=2, heading=True)
    assert one.describe() == "the column 'name' of 2, separated by commas"
