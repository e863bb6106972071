"""The form of a text: items of several lines, and normal forms of Unicode, from training to samples."""

import json
import unicodedata
import warnings

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import charlm
from charlm.cli import program
from charlm.errors import CorpusError, ModelFileError, PromptError, UsageError
from charlm.learning.description import opening
from charlm.learning.session import TrainingFiles, TrainingSession
from charlm.text import forms
from charlm.text.corpus import CorpusOptions, load_corpus
from charlm.text.forms import Form, known_form
from charlm.text.reading import read_text
from charlm.text.vocabulary import EOS

POEMS = "".join(f"a {word}\nhas {word}s\n\n" for word in "cab dada egg fee gaff bead cage deaf face abba".split() * 3)
SMALL = {"hidden": 8, "layers": 1, "epochs": 4, "lr": 0.02, "batch": 4, "steps": 16, "threads": 1, "ngrams": 2}
ACCENTS = "é à ü ñ ç\n"


def run(*arguments, **settings):
    return CliRunner().invoke(program, [str(argument) for argument in arguments], **settings)


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    """The path of a model of items, trained on POEMS."""
    path = tmp_path_factory.mktemp("items") / "m.npz"
    charlm.train(text=POEMS, separator="", **SMALL).save(path)
    return path


# Items


@pytest.mark.parametrize(
    ("text", "separator", "items"),
    [
        ("a\nb\n\nc\n", "", ["a\vb", "c"]),
        ("\n\na\n \t\n\nb\nc", "", ["a", "b\vc"]),
        ("a\n\nb\n%\nc\n", "%", ["a\v\vb", "c"]),
        ("%\n%\n\n%\na\n\n%\n\n b\n%  \n", "%", ["a", " b"]),
        ("a %\n%%\nb\n", "%", ["a %\v%%\vb"]),
        ("a\n --\nb\n", " --", ["a", "b"]),
        ("", "", []),
        ("\n \n", "", []),
    ],
)
def test_the_items_of_a_text(file, monkeypatch, text, separator, items):
    path, found = file(text), {}
    for size in (1, 5, 1 << 18):
        monkeypatch.setattr("charlm.text.reading.PIECE", size)
        for level in ("char", "word", "byte"):
            pieces = list(read_text([path], level, form=Form(separator=separator)))
            found[size, level] = b"".join(pieces).decode() if level == "byte" else "".join(pieces)
    assert found == dict.fromkeys(found, "".join(f"{item}\n" for item in items))


def test_a_file_ends_an_item(file):
    paths = [file("a\nb", "1"), file("c\n", "2")]
    assert "".join(read_text(paths, "char", form=Form(separator="%"))) == "a\vb\nc\n"


@given(st.lists(st.lists(st.text("ab é", min_size=1).filter(str.strip), min_size=1), min_size=2, max_size=6))
def test_what_is_written_is_read_as_the_same_items(tmp_path_factory, texts):
    items = ["\n".join(item) for item in texts]
    path = tmp_path_factory.getbasetemp() / "items.txt"
    path.write_bytes("\n%\n".join(items).encode())
    form = Form(separator="%")
    found = "".join(read_text([path], "char", form=form)).split("\n")[:-1]
    assert list(map(form.outside, found)) == items and list(map(form.inside, items)) == found


def test_items_that_cannot_be(file, monkeypatch):
    with pytest.raises(CorpusError, match="text.txt has a vertical tab, which stands for the line feeds inside items"):
        list(read_text([file("a\vb\n")], "char", form=Form(separator="")))
    with pytest.raises(CorpusError, match="there is one item only in .*text.txt: no line is the separator '%'"):
        load_corpus(file("a\nb\n" * 9), CorpusOptions(separator="%"))
    with pytest.raises(CorpusError, match="there is one item only in .*text.txt: no line is blank; check --separator"):
        load_corpus(file("a\nb\n" * 9), CorpusOptions(separator=""))
    monkeypatch.setattr(forms, "LONGEST_ITEM", 10)
    with pytest.raises(CorpusError, match="has an item of more than 10 characters: no line of it is the separator '%'"):
        list(read_text([file("a\nb\n" * 9)], "char", form=Form(separator="%")))
    for options, words in (
        ({"separator": "", "lines": False}, "--separator makes items of a text, and --stream one text"),
        *(({"separator": text}, "--separator must be one line") for text in ("a\nb", "a\n", "\n", "\v", "\udcff")),
        ({"normalize": "NFC", "level": "byte"}, "--normalize is for text, and --level byte reads bytes"),
        ({"normalize": "NFD"}, "normalize must be none, NFC or NFKC"),
    ):
        with pytest.raises(UsageError, match=words):
            CorpusOptions(**options)
    with pytest.raises(UsageError, match="--separator is for --task text"):
        charlm.train(pairs=[("a", "b")] * 9, task="classify", separator="", epochs=1)


@pytest.mark.parametrize("level", ["char", "word", "subword", "byte"])
def test_whole_items_are_held_out(level):
    """The line feed inside has an id of its own at each level."""
    items = POEMS.strip().split("\n\n")
    found = load_corpus(memory(POEMS), CorpusOptions(level=level, separator="", holdout=0.2, min_count=1))
    decode, inner = found.vocabulary.decode, found.vocabulary.encode("\v")
    assert found.lines and inner.tolist() != [EOS] and not found.lines_chosen
    train, held_out = (decode(part).replace("\v", "\n") for part in (found.train, found.held_out))
    assert len(items) == 30 and held_out.count("has") == 6
    parts = ["a" + item for part in (train, held_out) for item in ("\n" + part).split("\na")[1:]]
    assert sorted(item.rstrip("\n") for item in parts) == sorted(items)
    known = [found.novelty, found.novelty.held_out]
    assert any(record.contains_line("a cab\vhas cabs") for record in known)


def memory(text):
    from charlm.text.memory import MemoryText

    return MemoryText("text", [text])


def test_samples_are_items(items, tmp_path):
    """In a form that charlm reads again; novelty is that of items."""
    model = charlm.load(items)
    samples = list(charlm.sample(model, 5, seed=1, start_with="a cab\n", allow_copies=True))
    assert all(sample.text.startswith("a cab\n") and "\v" not in sample.text for sample in samples)
    for sample in samples:
        assert charlm.log_probability(model, sample.text) == pytest.approx(sample.log_probability, abs=1e-3)
    filled = next(charlm.sample(model, fill="a cab\nhas c_bs", seed=1, allow_copies=True))
    assert filled.text.startswith("a cab\nhas c") and filled.novel == (filled.text != "a cab\nhas cabs")
    written = run("sample", "-m", items, "--count", 4, "--seed", 1, "--allow-copies").stdout
    as_json = run("sample", "-m", items, "--count", 4, "--seed", 1, "--allow-copies", "--json").stdout
    texts = [json.loads(line)["text"] for line in as_json.splitlines()]
    assert written == "\n\n".join(texts) + "\n"
    stopped = next(charlm.sample(model, start_with="a cab", stop="\nh", seed=1, allow_copies=True))
    assert stopped.text.partition("\nh")[2] == ""


def test_each_item_is_a_row(items, file):
    model, text = charlm.load(items), "a cab\nhas cabs\n\n\na dada\nhas dadas\n"
    rows = charlm.rows(model, text)
    assert rows["text"].tolist() == ["a cab\nhas cabs", "a dada\nhas dadas"] and rows["line"].tolist() == [1, 2]
    total = charlm.perplexity(model, text)
    assert total.nats == pytest.approx(rows["nats"].sum()) and (total.lines, total.characters) == (2, 32)
    assert rows["nats"][0] == pytest.approx(-charlm.log_probability(model, "a cab\nhas cabs"), rel=1e-5)
    printed = run("perplexity", "-m", items, file(text), "--per-line").stdout.splitlines()
    assert [row.split("\t")[5] for row in printed] == ["a cab\\nhas cabs", "a dada\\nhas dadas"]
    states = run("states", "-m", items, file(text), "--per-line").stdout.splitlines()
    assert [row.rpartition("\t")[2] for row in states] == ["a cab\\nhas cabs", "a dada\\nhas dadas"]
    assert "\n" in charlm.rows(model, text, "token")["token"][:-1].tolist()
    # rich remembers the colours of a style from the first one that a process painted
    painted = run("perplexity", "-m", items, file(text), "--color", env={"COLORTERM": "truecolor"}).stdout
    assert len(painted.splitlines()) == 2 + 4


def test_a_training_counts_items():
    with TrainingSession(memory(POEMS), TrainingFiles(), SMALL | {"separator": ""}) as session:
        assert "(27 items, and 3 held out to test it)" in opening(session)[0]


def test_a_model_says_that_it_has_items(items):
    model = charlm.load(items)
    facts = model.summary()
    assert all(model.novelty.contains_line(item) for item in POEMS.strip().split("\n\n"))
    assert "items of several lines, each a text of its own, separated by blank lines" in facts
    other = charlm.load(items)
    other.vocabulary.form = Form(separator="%")
    assert "separated by a line '%'" in other.summary()


def test_models_that_read_other_texts_are_not_compared(items, tiny_model, file):
    result = run("perplexity", "-m", items, "-m", tiny_model, file("a cab\n\nan egg\n"))
    assert result.exit_code == 2 and "the models read other texts, because" in result.stderr


def test_a_resumed_training_keeps_its_items(file, tmp_path):
    path, output = file(POEMS), tmp_path / "m.npz"
    options = SMALL | {"separator": "", "normalize": "NFC"}
    whole = charlm.train(path, **options)
    charlm.train(path, output=output, stop=lambda: True, **options)
    resumed = charlm.train(path, output=output, resume=True)
    assert whole.parameters.tobytes() == resumed.parameters.tobytes()
    assert charlm.load(output).vocabulary.form == whole.vocabulary.form == Form("NFC", "")
    charlm.train(path, output=tmp_path / "n.npz", stop=lambda: True, **options)
    with pytest.raises(ModelFileError, match="--normalize"):
        charlm.train(path, output=tmp_path / "n.npz", resume=True, normalize="none")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"normalize": "NFX"}, "its text has a form that charlm does not know"),
        ({"normalize": ["NFC"]}, "its text has a form that charlm does not know"),
        ({"separator": 3}, "its separator is not one line"),
        ({"separator": "a\nb"}, "its separator is not one line"),
        ({"separator": "a\n"}, "its separator is not one line"),
        ({"separator": "\ud800"}, "its separator is not one line"),
        ({"other": 1}, "unexpected keyword argument"),
    ],
)
def test_a_form_that_no_model_has(items, tmp_path, monkeypatch, change, why):
    model = charlm.load(items)
    fields = model.vocabulary.fields()
    monkeypatch.setattr(type(model.vocabulary), "fields", lambda self: fields | change)
    with pytest.raises(ModelFileError, match=why):  # the writer asks the reader
        model.save(tmp_path / "m.npz")


# Tokens

MOLECULES = "".join(f"C c{number % 3} [N+] {'=O ' * (number % 4)}1\n" for number in range(40))


@pytest.mark.parametrize("size", [1, 7, 1 << 18])
def test_tokens_stand_between_white_space(file, monkeypatch, size):
    monkeypatch.setattr("charlm.text.reading.PIECE", size)
    found = load_corpus(file("C  c1\t[N+]\n\n c1 C \nC\n"), CorpusOptions(level="token", holdout=0, lines=False))
    v = found.vocabulary
    assert v.symbols == ("C", "c1", "[N+]") and v.outside(v.decode(found.train)) == "C c1 [N+]\n\nc1 C\nC\n"
    assert v.encode("C  c1 x\n").tolist() == [2, 3, 1, 0] and v.split(" C\tc1 \n") == [" C", "\tc1", " \n"]
    assert found.novelty.contains_lines(["C c1 [N+] ", "C "]).all() and not found.min_count > 1


@given(st.lists(st.lists(st.sampled_from(["a", "b|", "_", "C1"]), min_size=1), min_size=1), st.booleans())
def test_tokens_are_joined_by_one_space(lines, has_items):
    from charlm.text.vocabulary import Vocabulary

    v = Vocabulary("token", ["a", "b|", "_", "C1", "\v"], form=Form(separator="" if has_items else None))
    text = "\n".join(map(" ".join, lines))
    inside = v.inside(text)
    assert v.outside(inside) == text and v.decode(v.encode(inside)) == inside
    assert v.encode(inside).tolist() == v.encode(v.form.inside(text)).tolist()
    assert "".join(v.split(text + "\n")) == text + "\n" and len(v.split(text + "\n")) == len(v.encode(text + "\n"))


@pytest.mark.parametrize("lines", [True, False])
def test_a_model_of_tokens(file, tmp_path, lines):
    path = tmp_path / "m.npz"
    charlm.train(file(MOLECULES), level="token", lines=lines, **SMALL).save(path)
    model = charlm.load(path)
    score = charlm.perplexity(model, MOLECULES)
    assert (score.tokens, score.unknown_tokens) == (len(MOLECULES.split()) + 40, 0)
    assert (score.characters, score.lines) == (len(MOLECULES), 40)
    options = {"seed": 1, "start_with": "C  c1", "allow_copies": True} | ({} if lines else {"length": 30})
    for sample in charlm.sample(model, 3, **options):
        assert sample.text.startswith("C c1") and "  " not in sample.text and " \n" not in sample.text
        assert sample.text.strip() == sample.text or not lines
        if lines:
            assert charlm.log_probability(model, sample.text) == pytest.approx(sample.log_probability, abs=1e-3)
    assert set(charlm.next_tokens(model, "C")) == {"<EOS>", "<UNK>", *model.vocabulary.symbols}
    assert sum(charlm.rows(model, MOLECULES, "word")["nats"]) == pytest.approx(score.nats)
    assert charlm.rows(model, MOLECULES, "token")["token"][:5].tolist() == ["C", " c0", " [N+]", " 1", "\n"]
    filled = next(charlm.sample(model, fill="C _ [N+]", seed=1, allow_copies=True))
    assert filled.text.split()[::2] == ["C", "[N+]"] and len(filled.text.split()) == 3
    known = [model.novelty.contains_line(line) for line in MOLECULES.splitlines()]
    assert all(known) or model.novelty.held_out
    for wrong in ("a b", "", " a", "\n"):
        broken = charlm.load(path)
        broken.vocabulary.symbols = (wrong, *broken.vocabulary.symbols[1:])
        with pytest.raises(ModelFileError, match="an entry that is not a symbol"):
            broken.save(tmp_path / "broken.npz")


# Normal forms


@pytest.fixture(scope="module")
def composed():
    """A model of a text in NFC that does not normalise."""
    return charlm.train(text=ACCENTS * 40, lines=False, **SMALL)


@pytest.fixture(scope="module")
def normalizing():
    """A model that normalises, of a text in NFD."""
    return charlm.train(text=unicodedata.normalize("NFD", ACCENTS) * 40, lines=False, normalize="NFC", **SMALL)


def test_a_text_is_normalised_in_training_scoring_and_beginnings(composed, normalizing, tmp_path, file):
    assert normalizing.parameters.tobytes() == composed.parameters.tobytes()
    decomposed = unicodedata.normalize("NFD", ACCENTS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = [charlm.perplexity(normalizing, text) for text in (ACCENTS, decomposed)]
        assert scores[0] == scores[1] and not scores[0].unknown_tokens
    for call in (
        lambda text: charlm.log_probability(normalizing, text),
        lambda text: charlm.next_tokens(normalizing, text),
        lambda text: charlm.states(normalizing, text).a.tolist(),
        lambda text: next(charlm.sample(normalizing, start_with=text, seed=1, length=9, allow_copies=True)),
        lambda text: next(charlm.sample(normalizing, prime=text, seed=1, length=9, allow_copies=True)),
    ):
        assert call("é à") == call(unicodedata.normalize("NFD", "é à"))
    normalizing.save(tmp_path / "m.npz")
    model = charlm.load(tmp_path / "m.npz")
    assert model.vocabulary.form == Form("NFC") and "NFC (Unicode)" in model.summary()
    printed = run("perplexity", "-m", tmp_path / "m.npz", file(decomposed)).stdout
    assert "of which <UNK> 0 " in printed


def test_nfkc_replaces_variants(file):
    found = "".join(read_text([file("ﬁne … Ｔ\n")], "char", form=Form("NFKC")))
    assert found == "fine ... T\n"


@pytest.mark.parametrize("size", [1, 2, 3, 1 << 18])
def test_no_character_is_normalised_in_parts(file, monkeypatch, size):
    monkeypatch.setattr("charlm.text.reading.PIECE", size)
    text = unicodedata.normalize("NFD", "Ǖlé\nhạ̈") * 9
    assert "".join(read_text([file(text)], "char", form=Form("NFC"))) == unicodedata.normalize("NFC", text) + "\n"


def test_a_text_in_another_form_than_the_model_knows_is_told(composed):
    decomposed = unicodedata.normalize("NFD", ACCENTS)
    with pytest.warns(UserWarning, match="symbols of the text are <UNK>, and the model knows them in NFC, "):
        assert charlm.perplexity(composed, decomposed * 3).unknown_tokens
    with pytest.raises(PromptError, match="it knows the same text in NFC"):
        next(charlm.sample(composed, start_with=decomposed[:2]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert charlm.perplexity(composed, "é ☃\n").unknown_tokens == 1  # in no form


def test_the_form_that_a_model_knows():
    def unknown_in(known):
        return lambda text: [character for character in dict.fromkeys(text) if character not in known]

    for form, other in (("NFC", "NFD"), ("NFD", "NFC")):
        known = unknown_in(unicodedata.normalize(form, ACCENTS))
        assert known_form(unicodedata.normalize(other, ACCENTS), known) == form
        assert known_form(unicodedata.normalize(form, ACCENTS), known) is None
    assert known_form("☃é", unknown_in("é")) is None and known_form("abc", unknown_in("")) is None
    assert known_form("ÄÖ", unknown_in("AO")) is None  # the accent, which both have, is one unknown symbol, not two
    assert known_form("a\u0323\u0302", unknown_in("a")) is None  # two accents, which join into one unknown letter
    assert known_form("☃ cafe\u0301☃", unknown_in("café ")) == "NFC"


def test_examples_are_normalised():
    pairs = [("one", "é à" if number % 2 else "ü ñ") for number in range(20)] + [("two", "ç")] * 9
    decomposed = [(label, unicodedata.normalize("NFD", text)) for label, text in pairs]
    options = SMALL | {"task": "classify", "normalize": "NFC"}
    del options["ngrams"]
    models = [charlm.train(pairs=rows, **options) for rows in (pairs, decomposed)]
    assert np.array_equal(models[0].parameters, models[1].parameters)
    assert charlm.predict(models[0], ["ç"]) == charlm.predict(models[0], [decomposed[-1][1]])
