"""The JavaScript of a page, run by Node: it reads, scores, samples and predicts as charlm does."""

import json
import re
import subprocess
import unicodedata
from collections import Counter
from dataclasses import replace
from itertools import chain

import conftest
import numpy as np
import pytest

import charlm
from charlm.export.page.payload import copies_of, count_arrays, page_model, payload_of, worker_script
from charlm.network.mixture import Mixture
from charlm.network.probabilities import softmax
from charlm.network.stepper import Stepper
from charlm.predicting import Predictor
from charlm.sampling.beginning import Ends
from charlm.sampling.rules import rules_for
from charlm.sampling.sampler import Sampler
from charlm.sampling.segmentation import divided
from charlm.sampling.settings import SamplingOptions
from charlm.scoring.scorer import Scorer
from charlm.text.forms import Form
from charlm.text.merges import with_merges
from charlm.text.ngrams import NGrams
from charlm.text.novelty import Novelty
from charlm.text.subwords import pieces_of
from charlm.text.vocabulary import _TOKEN, _TOKEN_AND_SPACE, _WORD, Vocabulary, code_points, symbols_in

TEXT = "Bea saw the egg, Cleo said: “it’s 3 of 9!”\nDörte kept the bag."
HOSTILE = (
    *("a", "b", "Ada", "it's", " ", "  ", "\n", "\n\n", "\t", "\v", "\r", "\x1c", "\x85", "\xa0", "\u2028", "\u3000"),
    *("\ufeff", "\0", "\x7f", "é", "e\u0301", "ﬁ", "½", "٣", "Ⅷ", "_", "’", "'", "''", "“", "-", "…", "\u202e"),
    *("😀", "👩‍👩‍👧"),
    *("\ud800", "\udc80", "\udcff", "中文", "ก็", "</script>", "<UNK>", "<EOS>", "x" * 70, "7" * 40, " !" * 20, "aaa"),
)


def hostile_texts(number=300, seed=3):
    random = np.random.default_rng(seed)
    return ["".join(random.choice(HOSTILE, random.integers(0, 12))) for _ in range(number)]


class Worker:
    """A page's worker with the model of a payload."""

    def __init__(self, node, folder, data=None):
        script, file, self.last = folder / "worker.js", folder / "payload", 0
        script.write_text(worker_script(), encoding="utf-8")
        command = [node, str(conftest.FOLDER / "worker.mjs"), str(script)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if data is not None:
            file.write_bytes(data)
            self.header = self.ask("open", file=str(file))["opened"]

    def send(self, **message):
        self.last += 1
        self.process.stdin.write(json.dumps({"id": self.last} | message) + "\n")
        self.process.stdin.flush()
        return self.last

    def answers(self, number):
        """The answers to a message up to the last one; those to others are passed over."""
        for line in self.process.stdout:
            answer = json.loads(line)
            if answer.pop("id") == number:
                yield answer
                if not {"kind", "item"} & set(answer):
                    return

    def ask(self, do, **fields):
        return list(self.answers(self.send(do=do, **fields)))[-1]

    def run(self, expression, of=None):
        """The value of a function of JavaScript, given as its source, of some JSON."""
        return list(self.answers(self.send(run=expression, of=of)))[-1]["value"]

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(10) == 0


@pytest.fixture
def open_worker(node, tmp_path):
    workers = []

    def start(data=None):
        workers.append(Worker(node, tmp_path, data))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


def nats_of(model, text):
    return Scorer(model).measure(model.vocabulary.encode(model.vocabulary.inside(text))).nats


@pytest.mark.parametrize("name", conftest.LANGUAGE_MODELS)
def test_a_text_has_the_log_probability_that_charlm_gives_it(name, trained, open_worker):
    model, text = trained(name), TEXT
    if model.lines:
        text += "\n"
    worker = open_worker(payload_of(model, "float32").data)
    answer = worker.ask("score", text=text)
    nats = nats_of(model, text)
    assert answer["tokens"] == len(nats)
    assert abs(answer["nats"] - nats.sum(dtype=np.float64)) <= 1e-5 * len(nats)
    assert "".join(token["text"] for token in answer["scored"]) == text
    if model.vocabulary.level != "byte":
        np.testing.assert_allclose([token["nats"] for token in answer["scored"]], nats, atol=3e-5)
        ranks = Scorer(model, ("ranks",)).measure(model.vocabulary.encode(text)).ranks
        assert [token["rank"] for token in answer["scored"]] == ranks.tolist()
    # what is known from the last text gives the same numbers as a text that is read anew
    again = worker.ask("score", text=text[:-9] + "eggs", top=3)
    fresh = worker.ask("score", text=text[:-9] + "eggs", top=3, given=None)
    assert again == fresh and again["nats"] == pytest.approx(nats_of(model, text[:-9] + "eggs").sum(), abs=1e-3)


@pytest.mark.parametrize("precision", ["int5", "int6", "int8", "float16"])
@pytest.mark.parametrize("name", ["lstm", "tied", "n-grams", "list-with-n-grams", "feedforward-of-embeddings"])
def test_a_page_with_rounded_weights_computes_with_the_model_whose_loss_was_measured(
    name, precision, trained, open_worker
):
    model = trained(name)
    page, text = page_model(model, precision), TEXT + "\n"
    assert page.precision == precision and page.model.parameters.dtype == np.float32
    payload = payload_of(model, precision)
    nats = nats_of(page.model, text)
    assert abs(open_worker(payload.data).ask("score", text=text)["nats"] - nats.sum()) <= 1e-5 * len(nats)
    assert precision in payload.rounding and payload.header["weights"]["cost"] == pytest.approx(page.costs[precision])


def counted():
    """N-grams of texts of random tokens: (vocabulary, order, tokens, n-grams that stay, coarseness)."""
    for V, order, size, most, coarseness in (
        (70, 8, 20000, None, 1),
        (70, 8, 20000, 9000, 8),
        (3000, 3, 20000, None, 8),
        (5, 12, 500, None, 4),
        (20, 1, 50, None, 1),
    ):
        tokens = np.random.default_rng(V).zipf(1.4, size) % (V - 2) + 2
        tokens[size // 2 :] = tokens[: size - size // 2]  # so that many long n-grams occur twice
        tokens[::9] = 0
        ngrams = NGrams.count(tokens, V, order, V == 5, singletons=order)
        yield (ngrams if most is None else ngrams.pruned(most)).rounded(coarseness)


def test_the_counts_are_the_same_to_the_bit(open_worker):
    worker = open_worker()
    for ngrams in counted():
        arrays = {array.name: array.values.tolist() for array in count_arrays(ngrams)}
        first, tokens, own, backoff = worker.run(
            """({fields, arrays, V}) => {
              const {first, tokens, own, backoff} = new NGrams(fields, arrays, V);
              return [first, tokens, own, backoff].map((array) => Array.from(array));
            }""",
            {"fields": ngrams.fields(), "arrays": arrays, "V": ngrams.vocabulary_size},
        )
        assert first == [*ngrams.first.tolist(), len(ngrams)] and tokens == ngrams.tokens.tolist()
        assert own == ngrams.own.tolist() and backoff == [*ngrams.backoff.tolist(), 1.0]


SAMPLED = {
    "lstm": {},
    "list": {"temperature": 0.8},
    "list-with-n-grams": {"top_p": 0.9},
    "n-grams": {"min_p": 0.05, "start_with": "Ada"},
    "words": {"top_k": 20},
    "tokens": {"start_with": "Bea saw"},
    "subwords": {"start_with": "Ada sa"},
    "bytes": {"temperature": 1.2},
    "feedforward": {"top_k": 5, "temperature": 1.5},
}
NAMES = {"temperature": "temperature", "top_p": "topP", "min_p": "minP", "top_k": "topK", "start_with": "beginning"}


@pytest.mark.parametrize("name", SAMPLED)
def test_a_seed_gives_the_samples_that_charlm_gives(name, trained, open_worker):
    model, options = trained(name), SAMPLED[name]
    count, length = (30, 200) if model.lines else (1, 700)
    sampler = Sampler(model, count, length, SamplingOptions(seed=2**63 + 5, allow_copies=True, **options))
    expected = [sample.text for sample in sampler.samples()]
    worker = open_worker(payload_of(model, "float32").data)
    asked = {NAMES[option]: value for option, value in options.items()}
    answers = worker.send(do="sample", seed=str(2**63 + 5), count=count, length=length, **asked)
    *found, last = worker.answers(answers)
    if model.lines:
        assert [answer["item"] for answer in found] == expected
        assert sum(answer["rejected"] for answer in found) == sum(last["done"]["rejected"].values())
    else:
        assert "".join(answer.get("text", "") for answer in found) == expected[0]
        assert last["done"]["tokens"] <= 700
    assert not last["done"]["stopped"] and sum(last["done"]["rejected"].values()) == sampler.counts.rejected


def test_lines_given_a_label_are_sampled_and_scored(trained, open_worker):
    model = trained("generate")
    worker = open_worker(payload_of(model, "float32").data)
    for label in model.task.labels:
        given = model.given(label)
        expected = [s.text for s in Sampler(given, 5, None, SamplingOptions(seed=4, allow_copies=True)).samples()]
        *found, _ = worker.answers(worker.send(do="sample", seed=4, count=5, given=label))
        assert [answer["item"] for answer in found] == expected
        answer = worker.ask("score", text="adede1\n", given=label)
        assert answer["nats"] == pytest.approx(nats_of(given, "adede1\n").sum(), abs=1e-4)
    assert "error" in worker.ask("sample", seed=4, given="no label")


@pytest.mark.parametrize("name", [name for name in conftest.OTHER_MODELS if name not in ("generate",)])
def test_predictions_are_those_of_charlm(name, trained, open_worker):
    model = trained(name)
    worker, predictor = open_worker(payload_of(model, "float32").data), Predictor(model, 1)
    if model.task.name == "tag":
        sentences = ["Ann sees old Elm1 Street", "Zoë", "Otto sees Oak9 Street " + "x" * 40, "Bert\u3000sees\nElm2"]
        for text in sentences:
            (expected,) = predictor.predict([text.split()])
            found = worker.ask("predict", text=text)["predicted"]["tokens"]
            assert [token["text"] for token in found] == text.split()
            assert [token["tag"] for token in found] == expected["tags"]
            np.testing.assert_allclose([token["probability"] for token in found], expected["probabilities"], atol=1e-5)
        assert worker.ask("predict", text=" \n")["predicted"] == {"tokens": []}
        return
    for text in ["adede7", "b", "", "cdededede99", "a12x", "ü"]:
        found = worker.ask("predict", text=text)["predicted"]
        if model.task.name == "translate":
            assert found["text"] == predictor.predict([text])[0]["target"]
            continue
        (expected,) = predictor.predict([text], top=len(model.task.labels))
        assert [label["label"] for label in found["labels"]] == list(expected)
        probabilities = [label["probability"] for label in found["labels"]]
        np.testing.assert_allclose(probabilities, list(expected.values()), atol=1e-5)


# Tokens


def test_white_space_letters_and_symbols_are_those_of_python(open_worker):
    """Of all code points that Python's version of Unicode knows; a newer one knows more letters."""
    shapes = open_worker().run(
        """() => {
          const found = [];
          for (let point = 0; point < 0x110000; point++) {
            const text = `a${String.fromCodePoint(point)}a`;
            const lengths = (parts) => parts.map((part) => Array.from(part).length);
            found.push([WORD, TOKEN, TOKEN_AND_SPACE, PIECE].map((e) => lengths(text.match(e)).join("")).join());
          }
          return found.join(" ");
        }"""
    )
    expressions = [_WORD, _TOKEN, _TOKEN_AND_SPACE]
    wrong = []
    for point, shape in enumerate(shapes.split(" ")):
        text = f"a{chr(point)}a"
        parts = [*(e.findall(text) for e in expressions), list(chain.from_iterable(pieces_of(text)))]
        expected = ",".join("".join(str(len(part)) for part in some) for some in parts)
        if shape != expected and unicodedata.category(chr(point)) != "Cn":
            wrong.append((hex(point), shape, expected))
    assert not wrong


def vocabularies():
    words = [symbol for symbol in HOSTILE if symbol not in ("\n", "\n\n")]
    characters = Vocabulary("char", sorted(set("".join(HOSTILE[:40])) - {"\n"}))
    text = "the house on the hill, the hen in the house: 1999 1998 aaaa aaa a’s   !!\n" * 3 + "".join(HOSTILE)
    small = Vocabulary("char", sorted(set(text.replace("\n", "")) - {"é"}))
    yield "char", characters
    yield "subword", with_merges(small, text, len(small) + 60)
    yield "byte", Vocabulary("byte", [byte for byte in range(250) if byte != 10])
    found = [symbol for word in words for symbol in symbols_in(word + " " + word, "word")]
    yield "word", Vocabulary("word", [symbol for symbol in dict.fromkeys(found) if symbol != "\n"])
    found = [symbol for word in words for symbol in symbols_in(word, "token")]
    yield "token", Vocabulary("token", [symbol for symbol in dict.fromkeys(found) if symbol != "\n"])
    yield "items", Vocabulary("char", ["a", "b", "\v", "é"], form=Form("NFC", ""))
    yield "folded", Vocabulary("word", ["a", " fi", "1"], form=Form("NFKC"))


VOCABULARIES = dict(vocabularies())


@pytest.mark.parametrize("name", VOCABULARIES)
def test_texts_become_the_same_ids_and_texts_again(name, open_worker):
    texts, vocabulary = hostile_texts(), VOCABULARIES[name]
    found = open_worker().run(
        """({fields, texts}) => {
          const v = new Vocabulary(fields);
          return texts.map((text) => {
            const inside = v.inside(text), ids = v.encode(inside), written = v.decode(ids);
            const outside = [v.outside(written), v.outside(written, false)];
            return [inside, ids, written, ...outside, v.split(inside), v.unknownIn(inside)];
          });
        }""",
        {"fields": vocabulary.fields(), "texts": texts},
    )
    for text, (inside, ids, written, whole, part, split, unknown) in zip(texts, found, strict=True):
        assert inside == vocabulary.inside(text)
        assert ids == vocabulary.encode(inside).tolist(), repr(text)
        assert written == vocabulary.decode(ids)
        assert (whole, part) == (vocabulary.outside(written), vocabulary.outside(written, False))
        assert split == vocabulary.split(inside)
        assert unknown == vocabulary.unknown_in(inside)


def test_arithmetic_is_exact_enough(open_worker):
    worker, random = open_worker(), np.random.default_rng(1)
    x = np.concatenate((random.normal(0, 8, 2000), random.uniform(-740, 700, 2000), [0, -0.0, 1e-300, -745.1, 709]))
    found = np.array(worker.run("(x) => x.map(exponential)", x.tolist()), float)  # JSON has large numbers as integers
    np.testing.assert_allclose(found, np.exp(x), rtol=2e-12, atol=1e-320)
    found = np.array(worker.run("(x) => x.map(logarithm)", np.exp(x[x > -744]).tolist()))
    np.testing.assert_allclose(found, np.log(np.exp(x[x > -744])), atol=1e-12)
    found = np.array(worker.run("(x) => x.map((v) => [sigmoid(v), hyperbolicTangent(v)])", x.tolist()))
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(found, np.stack((1 / (1 + np.exp(-x)), np.tanh(x)), 1), atol=1e-12)
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = np.isfinite(halves)
    found = worker.run("(bits) => bits.map(fromHalf)", np.arange(1 << 16)[finite].tolist())
    assert np.array_equal(np.array(found), halves[finite].astype(float))


# Copies


def copying_model(trained, lines):
    model = trained("list" if lines else "lstm")
    text = "".join(f"{conftest.TEXT[7 * n : 7 * n + n % 90].strip()}\n" for n in range(400))
    train, held_out = (lambda: iter([code_points(text)])), (lambda: iter([code_points("held out line\n")]))
    return replace(model, novelty=Novelty.of_text(train, False, lines, held_out=held_out)), text


def test_copies_are_those_that_charlm_finds(trained, open_worker):
    model, text = copying_model(trained, True)
    lines = text.splitlines()
    texts = [*lines[::7], *(line[:12] + line[13:] for line in lines[::9])]
    texts += ["new", "held out line", "", "a" * 80, " " * 50]
    texts += [lines[90] + lines[30], "x" + lines[80][:40] + "y", lines[70][:20] + "   " + lines[70][20:]]
    rules, reasons = rules_for(model), {"copied": "training", "held_out": "held-out", None: None}
    expected = [reasons[reason] for _, reason in rules.copies_in(texts, texts)]
    assert len(set(expected)) == 3
    worker = open_worker(payload_of(model, "float32").data)
    assert worker.run("(texts) => texts.map((text) => model.novelty.sourceOf(text))", texts) == expected
    *found, last = worker.answers(worker.send(do="sample", seed=1, count=40, temperature=0.1))
    found = [(answer["item"], answer["copied"]) for answer in found]
    assert found == [
        (text, reasons[reason])
        for (text, _), (_, reason) in zip(found, rules.copies_in(*[[item for item, _ in found]] * 2), strict=True)
    ]
    assert last["done"]["copied"] == sum(copied is not None for _, copied in found)


def test_copied_runs_of_a_stream_are_marked(trained, open_worker):
    model, text = copying_model(trained, False)
    written = "Something new: " + text[2000:2090] + " and new again 😀 " + text[100:140] + "!" + text[3000:3200]
    limit = model.novelty.default_limit(False)
    expected = [run for run in model.novelty.copied_runs(written) if run[1] - run[0] > limit]
    units = [len(written[:at].encode("utf-16-le")) // 2 for at in range(len(written) + 1)]
    worker = open_worker(payload_of(model, "float32").data)
    marks = worker.run(
        "(parts) => { const m = new Marker(model.novelty); return parts.flatMap((part) => m.add(part)); }",
        re.findall("(?s).{1,13}", written),
    )
    last = {mark["start"]: mark["stop"] for mark in marks}
    assert list(last.items()) == [(units[start], units[stop]) for start, stop in expected] and len(last) == 2


@pytest.mark.parametrize("lines", [True, False])
def test_copies_of_the_text_of_an_earlier_model_are_found_too(lines, trained, open_worker):
    model, text = copying_model(trained, lines)
    line = "An earlier line, that is much longer than what one may copy of any text."
    random = np.random.default_rng(2)
    others = ["".join(random.choice(list("ABCDEFGHIJKL"), 60)) for _ in range(60)]
    earlier = Novelty.of_text(lambda: [code_points("\n".join([*others, line, ""]))], False, lines)
    worker = open_worker(payload_of(replace(model, novelty=model.novelty.after(earlier)), "float32").data)
    if lines:
        texts = [line, text.splitlines()[0], f"x{line[:40]}", "held out line", "something new"]
        found = worker.run("(texts) => texts.map((text) => model.novelty.sourceOf(text))", texts)
        assert found == ["training", "training", "training", "held-out", None]
    else:
        found = worker.run("(text) => new Marker(model.novelty).add(text)", f"new: {line} and {text[500:570]}")
        assert {mark["start"]: mark["stop"] for mark in found} == {5: 5 + len(line), 10 + len(line): 80 + len(line)}


@pytest.mark.parametrize("fold", [2, 4, 8])
def test_a_folded_filter_knows_all_that_it_knew(fold, trained, open_worker, monkeypatch):
    from charlm.export.page import payload

    monkeypatch.setattr(payload, "_fold", lambda record, most: fold)
    model, text = copying_model(trained, False)
    worker = open_worker(payload_of(model, "float32").data)
    fields, _ = copies_of(model.novelty, False, 1 << 20)
    assert fields["records"][0]["fold"] == fold
    found = worker.run("(text) => new Marker(model.novelty).add(text)", text[500:900])
    assert found[-1]["stop"] == 400


# What follows a text of subwords


def test_what_follows_a_text_may_belong_to_its_last_token(trained, open_worker):
    model = trained("subwords")
    worker = open_worker(payload_of(model, "float32").data)
    predictor = Stepper(model.architecture, model.parameters, True)
    for text in ("Ada sa", "Ada saw the", "Bea ", "“it’s 3"):
        ids, stay, rest = divided(model.vocabulary, text)
        ends = Ends(predictor, model.vocabulary, predictor.begin(ids[:stay])[0], rest)
        expected = Counter()
        for cover, weight in zip(ends.covers, softmax(-ends.nats), strict=True):
            known = len(rest) - len(model.vocabulary.decode(cover.before))
            if cover.token is not None:
                expected[model.vocabulary.decode([cover.token])[known:]] += weight
                continue
            for token, nats in enumerate(ends.after(cover.before)[2]):
                expected[model.vocabulary.decode([token])] += weight * np.exp(-nats)
        found, most = worker.ask("score", text=text, top=8)["after"], expected.most_common(8)
        assert [one["text"] for one in found] == [symbol for symbol, _ in most]
        np.testing.assert_allclose([one["probability"] for one in found], [value for _, value in most], atol=1e-5)


# The worker


def test_a_stream_stops_and_texts_are_scored_while_it_writes(trained, open_worker):
    worker = open_worker(payload_of(trained("n-grams")).data)
    sample = worker.send(do="sample", seed=1, length=0)
    for number, _ in enumerate(worker.answers(sample)):
        if number == 3:
            break
    score = worker.ask("score", text="Ada saw")
    assert score["tokens"] == 7 and len(score["after"]) == 5
    stop = worker.send(do="stop", of=sample)
    *pieces, last = worker.answers(sample)
    assert last["done"]["stopped"] and last["done"]["tokens"] > 100 and stop
    assert all(answer["kind"] in ("piece", "copied") for answer in pieces)


def test_errors_are_one_sentence(trained, open_worker):
    worker = open_worker(payload_of(trained("list")).data)
    for message in (
        {"do": "nothing"},
        {"do": "toString"},
        {"do": "predict", "text": "a"},
        {"do": "sample", "seed": -1},
        {"do": "sample", "seed": "1e5"},
        {"do": "sample", "seed": str(2**64)},
        {"do": "sample", "seed": 1, "temperature": -1},
        {"do": "sample", "seed": 1, "temperature": None},
        {"do": "sample", "seed": 1, "topP": 2},
        {"do": "sample", "seed": 1, "count": 1.5},
        {"do": "sample", "seed": 1, "beginning": "€"},
        {"do": "sample", "seed": 1, "beginning": "A\nB"},
        {"do": "sample", "seed": 1, "beginning": "A" * 2000},
        {"do": "score", "text": "a" * 200_000},
    ):
        answer = worker.ask(message.pop("do"), **message)
        assert list(answer) == ["error"] and "\n" not in answer["error"] and "undefined" not in answer["error"], answer
    assert worker.ask("score", text="Ada")["tokens"] == 3


def test_the_counts_of_a_page_are_pruned_and_rounded_as_the_header_says(monkeypatch, open_worker):
    from charlm.export.page import payload

    monkeypatch.setattr(payload, "ROOM", 0)  # then the counts get as many bytes as the weights
    text = "".join(np.random.default_rng(1).choice(list(TEXT), 3000)) + "\n"
    model = charlm.train(text=text, lines=False, ngrams=6, **conftest.SMALL | {"hidden": 4, "epochs": 0.1})
    page = page_model(model, "int8")
    assert page.model.mixture.ngrams.fields()["sizes"][-1] < model.mixture.ngrams.fields()["sizes"][-1]
    nats = nats_of(page.model, TEXT)
    found = payload_of(model, "int8")
    assert found.header["counts"]["ngrams"] < found.header["counts"]["of"] == len(model.mixture.ngrams) - 1
    answer = open_worker(found.data).ask("score", text=TEXT)
    assert abs(answer["nats"] - nats.sum()) <= 1e-5 * len(nats)


def test_unknown_symbols_keep_the_probability_that_the_network_gives_them(trained, open_worker):
    model = trained("n-grams")
    ids = model.vocabulary.encode(conftest.TEXT)
    for has_unknown in (False, True):
        tokens = np.append(ids, [1, 5, 1]) if has_unknown else ids
        ngrams = NGrams.count(tokens, len(model.vocabulary), 4, False, singletons=3)
        mixed = replace(model, mixture=Mixture(ngrams, np.array([[0.5, 0.6], [0.4, 0.7], [0.3, 0.9], [0.2, 0.8]])))
        answer = open_worker(payload_of(mixed, "float32").data).ask("score", text="Ada €€ saw €")
        np.testing.assert_allclose([t["nats"] for t in answer["scored"]], nats_of(mixed, "Ada €€ saw €"), atol=3e-5)
        assert [token["known"] for token in answer["scored"]] == [c != "€" for c in "Ada €€ saw €"]
