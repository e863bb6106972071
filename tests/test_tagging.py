"""Tags for the words of sentences: the model learns from both sides of a word and from its letters, entities are whole,
charlm reads and writes files correctly, and a file or an option that is not possible is an error of one line."""

import itertools
import json
import re
import warnings

import numpy as np
import pytest
from test_tasks import SMALL, check_error, digest, run

import charlm
from charlm.errors import CorpusError, ModelFileError, UsageError
from charlm.learning.autotune import new_trainer
from charlm.learning.checkpoint import Checkpoint, save_checkpoint
from charlm.model import load_model
from charlm.modelfile import write_archive
from charlm.predicting import Predictor
from charlm.tasks.entities import TaggingResult, follow_their_scheme, most_likely_tags, scheme_of, spans
from charlm.tasks.sentences import MOST_WORDS, SENTENCES
from charlm.tasks.tag import LONGEST_WORD

TAGS = ("O", "B-p", "I-p", "B-q", "I-q")


def names_decided_later(random, number):
    """Sentences with a name of one or two capital words; its type is the word after the small ones that follow it."""
    for _ in range(number):

        def words(alphabet, number):
            return ["".join(random.choice(list(alphabet), random.integers(1, 5))) for _ in range(number)]

        kind = random.choice(["p", "q"])
        name = words("KLMN", random.integers(1, 3))
        tags = [f"{'I' if place else 'B'}-{kind}" for place in range(len(name))]
        before, after = words("abc", random.integers(0, 3)), words("abc", random.integers(0, 3))
        rest = ["O"] * (len(after) + 1)
        yield [*before, *name, *after, f"{kind}{kind}"], ["O"] * len(before) + tags + rest


def written(examples, column="\t"):
    return "".join(
        "".join(f"{word}{column}{tag}\n" for word, tag in zip(*pair, strict=True)) + "\n" for pair in examples
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tagging")
    random = np.random.default_rng(1)
    (folder / "train.conll").write_text(written(names_decided_later(random, 300)))
    (folder / "more.conll").write_text(written(names_decided_later(random, 80)))
    return folder


@pytest.fixture(scope="module")
def tagger(folder):
    model = charlm.train(folder / "train.conll", task="tag", epochs=15, bidirectional=True, **SMALL)
    model.save(folder / "tagger.npz")
    return model


def test_it_learns_from_both_sides(folder, tagger):
    found = Predictor(tagger).evaluate(folder / "more.conll").as_dict()
    assert found["entity_f1"] > 0.95 and found["token_accuracy"] > 0.97 and set(found["types"]) == {"p", "q"}
    forward = charlm.train(folder / "train.conll", task="tag", epochs=15, cell="gru", **SMALL)
    blind = Predictor(forward).evaluate(folder / "more.conll").as_dict()
    assert 0.3 < blind["entity_f1"] < 0.75 and blind["token_accuracy"] > 0.6


def test_one_to_one_is_a_sentence_of_one_word(folder, tmp_path):
    (tmp_path / "one.conll").write_text("".join(f"{word}\t{word[0]}\n\n" for word in ("ab", "ba", "aa", "bb") * 20))
    model = charlm.train(tmp_path / "one.conll", task="tag", epochs=20, **SMALL)
    model.save(tmp_path / "one.npz")
    assert [found["tags"] for found in charlm.predict(model, [["abb"], ["b"], ["aab"]])] == [["a"], ["b"], ["a"]]
    found = json.loads(run("evaluate", "--model", tmp_path / "one.npz", tmp_path / "one.conll", "--json").stdout)
    assert found["token_accuracy"] == 1 and found["sentences"] == found["tokens"] == 80
    assert found["entity_f1"] is None and found["entity_precision"] is None and "types" not in found
    figures = run("evaluate", "--model", tmp_path / "one.npz", tmp_path / "one.conll").stdout.splitlines()
    assert len(figures) == 2 and "none: the tags do not mark entities" in figures[1]


def test_sentences_together_give_the_bits_of_one_at_a_time(folder, tagger):
    random = np.random.default_rng(5)
    items = [words for words, _ in names_decided_later(random, 150)] + [["K" * 90, "", "ünknown"], []]
    predictor = Predictor(tagger)
    together = predictor.predict(items)
    assert [predictor.predict([item])[0] for item in items] == together
    assert Predictor(tagger, threads=1).predict(items) == together
    assert [len(found["tags"]) for found in together[-2:]] == [2, 0]  # a blank line is no word


def test_both_ends_of_a_long_word_are_read(tagger):
    ends = "aK" * 8, "Lb" * 8
    assert len(ends[0] + ends[1]) == LONGEST_WORD
    first, second, other = charlm.predict(tagger, [["z".join(ends)], ["".join(ends)], ["z" + "".join(ends)]])
    assert first == second != other


@pytest.mark.parametrize("options", [{"dropout": 0.3, "bidirectional": True}, {"cell": "gru", "embedding": 3}])
def test_same_seed_same_bytes_for_any_number_of_threads_and_after_a_stop(folder, tmp_path, options):
    options = {"task": "tag", "epochs": 2} | SMALL | options
    whole = [digest(charlm.train(folder / "train.conll", threads=n, **options), tmp_path / "m.npz") for n in (1, 2, 3)]
    assert len(set(whole)) == 1
    stopped = new_trainer(folder / "train.conll", **options)
    list(stopped.run(stop=lambda: stopped.step == 19))
    save_checkpoint(stopped, tmp_path / "c.npz", {})
    resumed = new_trainer(folder / "train.conll", **options)
    Checkpoint(tmp_path / "c.npz").restore(resumed)
    list(resumed.run())
    assert (
        digest(resumed.best, tmp_path / "m.npz") == whole[0] == digest(load_model(tmp_path / "m.npz"), tmp_path / "a")
    )


# Entities


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("O B-p I-p O B-q", [("p", 1, 3), ("q", 4, 5)]),
        ("B-p B-p I-p", [("p", 0, 1), ("p", 1, 3)]),
        ("I-p I-p I-q B-q O", [("p", 0, 2), ("q", 2, 3), ("q", 3, 4)]),
        ("B-p I-q", [("p", 0, 1), ("q", 1, 2)]),
        ("O O", []),
        ("", []),
        ("S-p B-q I-q E-q O E-p", [("p", 0, 1), ("q", 1, 4), ("p", 5, 6)]),
        ("U-p U-p B-q L-q I-q", [("p", 0, 1), ("p", 1, 2), ("q", 2, 4), ("q", 4, 5)]),
        ("B M E S O", [("", 0, 3), ("", 3, 4)]),
        ("B-p E-q B-q", [("p", 0, 1), ("q", 1, 2), ("q", 2, 3)]),
    ],
)
def test_entities_are_those_of_conll(tags, found):
    assert spans(tags.split()) == found


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (TAGS, "BIO"),
        (["B-p"], "BIO"),
        (["O", "I-p", "I-q"], "BIO"),
        (["O", "B", "I"], "BIO"),
        (["O", "B-p", "S-p"], "IOBES"),
        (["O", "B-p", "I-p", "E-p", "S-q"], "IOBES"),
        (["O", "B-p", "I-p", "L-p", "U-p"], "BILOU"),
        (["O", "B-p", "M-p", "E-p", "S-p"], "BMES"),
        (["B", "M", "E", "S"], "BMES"),
        (["O", "B-p", "M-p", "E-p", "W-p"], "BMEWO"),
        (["O"], ""),
        (["O", "NOUN"], ""),
        (["O", "B-p", "X-p"], ""),
        (["B-p", "B-"], ""),
        (["B-p", "L-p", "E-p"], ""),
        (["O", "S", "I"], ""),
    ],
)
def test_the_scheme_of_tags(tags, scheme):
    assert scheme_of(tags) == scheme


def test_tags_follow_their_scheme_or_not():
    assert follow_their_scheme([["B-p", "I-p"], ["O", "B-q", "I-p"]], "BIO")
    assert not follow_their_scheme([["I-p", "B-p", "O", "I-q"]], "BIO")
    assert follow_their_scheme([["S-p", "O", "B-q", "I-q", "E-q", "S-q"]], "IOBES")
    assert not follow_their_scheme([["B-p", "O", "B-q", "E-q"]], "IOBES")  # a B-p that does not end


def is_consistent(tags):
    return all(
        tag[0] != "I" or before != "O" and before[2:] == tag[2:]
        for before, tag in zip(["O", *tags], tags, strict=False)
    )


def test_the_most_likely_consistent_tags_are_found():
    """An exhaustive search finds the same, whatever follows the end of a sentence. The most likely tag of each word
    alone would often give inconsistent tags."""
    random = np.random.default_rng(3)
    lengths = np.array([4, 1, 3, 2] * 10)
    probabilities = random.dirichlet(np.full(5, 0.4), (4, 40)).astype(np.float32)
    found, inconsistent = most_likely_tags(probabilities, lengths, TAGS), 0
    for row, length in enumerate(lengths.tolist()):
        ways = [way for way in itertools.product(range(5), repeat=length) if is_consistent([TAGS[k] for k in way])]
        best = max(ways, key=lambda way: np.log(probabilities[np.arange(length), row, way].astype(np.float64)).sum())
        assert found[:length, row].tolist() == list(best)
        inconsistent += not is_consistent([TAGS[k] for k in probabilities[:length, row].argmax(1)])
    assert inconsistent > 10


BIOES = ("O", "B-p", "E-p", "I-p", "S-p", "S-q", "B-q", "E-q")


def is_whole(tags):
    """Whether tags follow IOBES."""
    return all(
        (before[0] in "BI") == (tag[0] in "IE") and (tag[0] not in "IE" or before[2:] == tag[2:])
        for before, tag in itertools.pairwise(["O", *tags, "O"])
    )


def test_the_most_likely_whole_entities_are_found():
    """An exhaustive search finds the same tags, of which each entity ends, at the latest with the sentence."""
    random = np.random.default_rng(4)
    lengths, number = np.array([4, 1, 3, 2] * 10), len(BIOES)
    probabilities = random.dirichlet(np.full(number, 0.3), (4, 40)).astype(np.float32)
    found, broken = most_likely_tags(probabilities, lengths, BIOES), 0
    for row, length in enumerate(lengths.tolist()):
        ways = [way for way in itertools.product(range(number), repeat=length) if is_whole([BIOES[k] for k in way])]
        best = max(ways, key=lambda way: np.log(probabilities[np.arange(length), row, way].astype(np.float64)).sum())
        assert found[:length, row].tolist() == list(best)
        broken += not is_whole([BIOES[k] for k in probabilities[:length, row].argmax(1)])
    assert broken > 10


def test_a_tagger_of_another_scheme(folder, tmp_path):
    """The names of one or two words in IOBES. The model knows the scheme when it is loaded."""
    text = (folder / "train.conll").read_text()
    text = re.sub(r"B-(.)(?!\n.*\tI)", r"S-\1", text).replace("I-", "E-")
    (tmp_path / "iobes.conll").write_text(text)
    model = charlm.train(tmp_path / "iobes.conll", task="tag", epochs=8, bidirectional=True, **SMALL)
    model.save(tmp_path / "m.npz")
    model = load_model(tmp_path / "m.npz")
    assert model.task.scheme == "IOBES" and model.task.bio and {tag[0] for tag in model.task.tags} == set("OBES")
    found = charlm.evaluate(model, tmp_path / "iobes.conll")
    assert found["entity_f1"] > 0.9 and found["entities"] == text.count("\n\n")
    random = np.random.default_rng(8)
    items = [["".join(random.choice(list("abKLpq"), random.integers(1, 4))) for _ in range(9)] for _ in range(50)]
    assert all(is_whole(one["tags"]) for one in charlm.predict(model, items))


def test_tags_are_consistent_where_probabilities_are_zero():
    probabilities = np.zeros((3, 1, 5), np.float32)
    probabilities[:, 0, 2] = 1  # I-p only
    assert [TAGS[k] for k in most_likely_tags(probabilities, np.array([3]), TAGS)[:, 0]] == ["B-p", "I-p", "I-p"]
    assert [TAGS[1:][k] for k in most_likely_tags(probabilities[:, :, 1:], np.array([3]), TAGS[1:])[:, 0]][0] == "B-p"
    lone = most_likely_tags(
        probabilities[:, :, :4], np.array([3]), ("O", "B-q", "I-p", "I-q")
    )  # no B-p: I-p is never reached
    assert 2 not in lone


def test_predictions_are_consistent(folder, tagger):
    random = np.random.default_rng(8)
    items = [["".join(random.choice(list("abKLpq"), random.integers(1, 4))) for _ in range(9)] for _ in range(200)]
    found = charlm.predict(tagger, items)
    assert all(is_consistent(one["tags"]) for one in found)
    assert all(0 < chance <= 1 for one in found for chance in one["probabilities"])


def test_the_older_form_of_tags_is_kept(folder, tmp_path):
    """If entities begin with I-x, any tag may follow any other, and entities are counted all the same."""
    text = (folder / "train.conll").read_text().replace("B-", "I-")
    (tmp_path / "old.conll").write_text(text)
    model = charlm.train(tmp_path / "old.conll", task="tag", epochs=15, bidirectional=True, **SMALL)
    assert set(model.task.tags) == {"O", "I-p", "I-q"} and not model.task.bio
    assert Predictor(model).evaluate(tmp_path / "old.conll").as_dict()["entity_f1"] > 0.9


def test_whole_entities_are_counted():
    true = ["B-p I-p O B-q".split(), "B-p O".split(), "O O".split()]
    found = ["B-p I-p O B-p".split(), "B-p I-p".split(), "O B-q".split()]
    score = TaggingResult.of(true, found, True).as_dict()
    assert score["token_accuracy"] == 5 / 8 and (score["sentences"], score["tokens"], score["entities"]) == (3, 8, 3)
    assert score["entity_precision"] == 1 / 4 and score["entity_recall"] == 1 / 3
    assert score["entity_f1"] == pytest.approx(2 / 7) and score["types"]["q"]["f1"] == 0
    assert score["types"]["p"] == {"entities": 2, "precision": 1 / 3, "recall": 1 / 2, "f1": pytest.approx(0.4)}


# Files


def test_predict_adds_a_column(folder, tagger):
    """Lines stay as they are, blank lines and lines before documents too, and each word gets its tag."""
    text = "-DOCSTART- -X- O\n\nab\tx\nKL\ty\npp\tz\n\n\nKL x y\nab x y\nqq  y\n\t\nMK\nqq"
    rows = run("predict", "--model", folder / "tagger.npz", input=text).stdout.split("\n")
    assert rows == [
        *("-DOCSTART- -X- O", "", "ab\tx\tO", "KL\ty\tB-p", "pp\tz\tO", "", ""),
        *("KL x y B-q", "ab x y O", "qq  y O", "\t", "MK\tB-q", "qq\tO", ""),
    ]
    records = run("predict", "--model", folder / "tagger.npz", "--json", input=text).stdout.splitlines()
    first, _, last = map(json.loads, records)
    assert (
        first["words"] == ["ab", "KL", "pp"] and first["tags"] == ["O", "B-p", "O"] and len(first["probabilities"]) == 3
    )
    assert first["entities"] == [{"type": "p", "first": 1, "last": 1, "words": ["KL"]}]
    assert last["words"] == ["MK", "qq"]
    assert run("predict", "--model", folder / "tagger.npz", input="").stdout == ""


def test_a_line_that_may_be_a_sentence_is_told(folder, tagger):
    with pytest.warns(UserWarning, match="the first line, 'KL ab qq ab.', is one word with 3 more columns") as told:
        assert tagger.task.item_reader()(["", "KL ab qq ab.", "MK x y"], last=True)[0][1] == ["KL ab qq ab.", "MK x y"]
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for line in ("KL x O", "KL x", "KL x\ty z"):
            tagger.task.item_reader()([line, "MK ab qq ab."], last=True)


def test_a_sentence_is_complete_when_its_blank_line_has_been_read(tagger):
    task = tagger.task
    assert task.items(["a", "b", "", "c"]) == ([["a", "b", ""]], ["c"])
    assert task.items(["", "-DOCSTART-", "c"], last=True) == ([[""], ["-DOCSTART-"], ["c"]], [])
    assert task.items([], last=True) == ([], [])


def test_evaluate_counts(folder, tagger):
    found = run("evaluate", "--model", folder / "tagger.npz", folder / "more.conll", "--json").stdout
    pairs = [pair for _, pair in SENTENCES.examples((str(number), line) for number, line in numbered(folder))]
    predicted = [one["tags"] for one in charlm.predict(tagger, [words for words, _ in pairs])]
    assert json.loads(found) == TaggingResult.of([tags for _, tags in pairs], predicted, True).as_dict()
    table = run("evaluate", "--model", folder / "tagger.npz", folder / "more.conll").stdout.splitlines()
    assert table[0].startswith("token accuracy") and table[1].startswith("entity F1") and len(table) == 3 + 1 + 3


def numbered(folder):
    return enumerate((folder / "more.conll").read_text().split("\n")[:-1], 1)


def test_columns_and_lines_before_documents_do_not_matter(folder, tagger, tmp_path):
    lines = (folder / "train.conll").read_text().split("\n")
    other = "\n".join(line.replace("\t", " -X- _ ") for line in lines)
    (tmp_path / "spaces.conll").write_bytes(f"-DOCSTART- -X- -X- O\n\n{other}\n\n".replace("\n", "\r\n").encode())
    model = charlm.train(tmp_path / "spaces.conll", task="tag", epochs=15, bidirectional=True, **SMALL)
    assert np.array_equal(model.parameters, tagger.parameters)


def test_whole_sentences_are_held_out(folder):
    corpus = new_trainer(folder / "train.conll", task="tag", epochs=1, **SMALL).corpus
    assert len(corpus.train.numbers.lengths) == 270 and len(corpus.held_out.numbers.lengths) == 30
    assert len(corpus.train) + len(corpus.held_out) == sum(
        line != "" for line in (folder / "train.conll").read_text().split("\n")
    )
    other = new_trainer(folder / "train.conll", task="tag", epochs=1, seed=2, **SMALL).corpus
    assert not np.array_equal(other.held_out.numbers.lengths, corpus.held_out.numbers.lengths)


def test_bytes_are_read_too(tmp_path):
    (tmp_path / "bytes.conll").write_bytes(b"a\xff\tx\nb\ty\n\n" * 30)
    model = charlm.train(tmp_path / "bytes.conll", task="tag", level="byte", epochs=15, **SMALL)
    model.save(tmp_path / "m.npz")
    (tmp_path / "asked").write_bytes(b"a\xff\nb\n")
    assert run("predict", "--model", tmp_path / "m.npz", tmp_path / "asked").stdout_bytes == b"a\xff\tx\nb\ty\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\tO\nb\n\n", "bad.conll line 2 no tag"),
        ("a\tO\nb\t \n\n", "bad.conll line 2 no tag"),
        ("a O\n\tB\n\n", "bad.conll line 2 no word"),
        ("", "no text bad.conll"),
        ("\n-DOCSTART- O\n\n", "no text bad.conll"),
        ("a\tO\nb\tB-x\n", "bad.conll one sentence blank line"),
        ("a\tO\nb\tO\n\na\tO\n", "one tag only 'O'"),
        ("a\tO\n" * (MOST_WORDS + 1), "bad.conll line 1 blank line"),
    ],
)
def test_a_file_that_charlm_cannot_learn_from(folder, text, words):
    (folder / "bad.conll").write_text(text)
    check_error(words, "train", folder / "bad.conll", "--task", "tag", "-o", folder / "new.npz", "--epochs", 1)


def test_a_sentence_that_cannot_be_read_has_as_many_empty_lines(folder, tagger):
    (folder / "bad.conll").write_bytes(b"ab\n\nab\n\xe9\n\nba\n")
    command = ["predict", "--model", folder / "tagger.npz", folder / "bad.conll"]
    done = run(*command, code=1)
    assert [line[:2] for line in done.stdout.split("\n")] == ["ab", "", "", "", "", "ba", ""]
    assert "1 row without a prediction; line 4: the byte 0xe9 is not UTF-8" in done.stderr
    records = [json.loads(row) for row in run(*command, "--json", code=1).stdout.splitlines()]
    assert ["error" in record for record in records] == [False, True, False]
    assert records[1]["text"] == "ab\n\udce9\n"


def test_files_that_charlm_cannot_evaluate_or_predict(folder, tagger):
    model = ["--model", folder / "tagger.npz"]
    (folder / "bad.conll").write_text("\n\n")
    check_error("there is no text in bad.conll", "evaluate", *model, folder / "bad.conll")
    (folder / "bad.conll").write_text("ab\tO\nab\tB-wrong\n")
    check_error("tag 'B-wrong' bad.conll line 2 training", "evaluate", *model, folder / "bad.conll")
    with pytest.raises(CorpusError, match="'B-wrong'"):
        new_trainer(folder / "train.conll", task="tag", valid=folder / "bad.conll", epochs=1, **SMALL)
    (folder / "bad.conll").write_text("ab\n" * (MOST_WORDS + 1))
    check_error("blank line", "predict", *model, folder / "bad.conll")
    check_error("--top tag", "predict", *model, "--top", 2, folder / "more.conll", code=2)
    check_error("--task tag predict", "sample", *model, code=2)
    check_error("--task tag predict", "perplexity", *model, folder / "more.conll", code=2)
    with pytest.raises(UsageError, match="--level word"):
        new_trainer(folder / "train.conll", task="tag", level="word", epochs=1)
    with pytest.raises(UsageError, match="tied"):
        new_trainer(folder / "train.conll", task="tag", tied=True, epochs=1)


def test_the_model_file_comes_back(folder, tagger, tmp_path):
    again = load_model(folder / "tagger.npz")
    assert again.task == tagger.task and again.architecture == tagger.architecture and again.task.bio
    assert digest(again, tmp_path / "a.npz") == digest(tagger, tmp_path / "b.npz")
    assert tagger.task.description("char") in run("info", folder / "tagger.npz").stdout


@pytest.mark.parametrize(
    "change",
    [
        {"task": {"bio": 1}},
        {"task": {"bio": None}},
        {"task": {"tags": ["O", "x", "y", "z", "w"]}},
        {"task": {"tags": list(TAGS)[:4]}},
        {"task": {"tags": ["O", "O", "B-p", "B-q", "I-q"]}},
        {"task": {"words": []}},
        {"task": {"words": 5}},
        {"task": {"words": {"a": 1}}},
        {"task": {"words": ["a"] * 100}},
        {"architecture": {"words_size": 10**9}},
        {"architecture": {"words_size": 1}},
        {"task": {"name": "classify", "labels": list(TAGS)}},
        {"architecture": {"hidden": 10**9}},
        {"architecture": {"hidden": 17}},
    ],
    ids=str,
)
def test_a_header_is_checked(folder, tagger, tmp_path, change):
    with np.load(folder / "tagger.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("header").tobytes())
    ((part, change),) = change.items()
    change = {part: header[part] | change}
    write_archive(tmp_path / "m.npz", header | change, arrays)
    with pytest.raises(ModelFileError):
        load_model(tmp_path / "m.npz")
