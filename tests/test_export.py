"""charlm export and import: what is written comes back whole, foreign weights come in, and errors are one line."""

import json
import re
import shutil
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from test_pytorch import MODELS, Golden

import charlm
from charlm.cli import program
from charlm.errors import CharlmError, CorpusError, ModelFileError, Note, UsageError
from charlm.export import FORMS, export_model, form_of
from charlm.export.baselines import losses_beside
from charlm.export.importing import import_model
from charlm.export.snippet import program_for
from charlm.export.state_dict import from_tensors, tensor_shapes, to_tensors
from charlm.export.symbols import read_symbols
from charlm.export.tensors import opened_tensors, write_tensors
from charlm.learning.autotune import new_trainer
from charlm.model import Model
from charlm.network.architecture import Architecture
from charlm.tasks.generate import Generate
from charlm.text.vocabulary import Vocabulary

GOLDEN = sorted((Path(__file__).parent / "golden").glob("format-*.npz"))
CHARACTERS = Vocabulary("char", "abcdefgh ")


def run(*arguments, **settings):
    return CliRunner().invoke(program, [str(argument) for argument in arguments], prog_name="charlm", **settings)


def model_of(vocabulary=CHARACTERS, *, lines=False, **sizes):
    """A language model with random weights."""
    sizes = {"vocabulary_size": len(vocabulary)} | sizes
    architecture = Architecture(**{"cell": "lstm", "hidden": 5, "layers": 1} | sizes)
    parameters = np.random.default_rng(1).normal(0, 0.5, architecture.number_of_parameters).astype(np.float32)
    return Model(architecture=architecture, vocabulary=vocabulary, parameters=parameters, lines=lines)


def tensors_of(model):
    return to_tensors(model.architecture, model.named_parameters)


def raw(header, data=b"", size=None):
    """The bytes of a .safetensors file with this header, JSON or bytes. size: of the header, as the file says it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


# What was exported comes back


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_model_of_each_kind_comes_back_to_the_bit(path, tmp_path):
    model = charlm.load(path)
    notes = charlm.export_model(model, tmp_path / "m.safetensors")
    assert [note.partition(":")[0] for note in notes] == [
        "PyTorch computes the network alone, without the n-grams"
    ] * bool(model.mixture)
    back = charlm.import_model(tmp_path / "m.safetensors")
    model.save(tmp_path / "m.npz")
    back.save(tmp_path / "back.npz")
    assert (tmp_path / "m.npz").read_bytes() == (tmp_path / "back.npz").read_bytes()
    written = (tmp_path / "m.safetensors").read_bytes()
    charlm.export_model(back, tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").read_bytes() == written


def test_numbers_of_every_kind_come_back_to_the_bit(tmp_path):
    """-0, subnormal and huge ones too, in each cell."""
    numbers = np.array([-0.0, 0.0, 1e-45, -1e-40, 3e38, -3e38, 1 / 3], np.float32)
    for cell in ("lstm", "gru", "rnn", "peephole", "feedforward"):
        model = model_of(cell=cell, layers=2, embedding=5)
        model.parameters[:] = np.resize(numbers, model.parameters.size)
        export_model(model, tmp_path / "m.safetensors")
        assert import_model(tmp_path / "m.safetensors")[0].parameters.tobytes() == model.parameters.tobytes(), cell


def test_samples_and_scores_are_the_same(tmp_path):
    model = charlm.load(next(path for path in GOLDEN if path.stem == "format-7"))
    export_model(model, tmp_path / "hub", "hub")
    back = charlm.import_model(tmp_path / "hub")
    assert back.mixture and back.novelty
    assert charlm.log_probability(back, "abba\n") == charlm.log_probability(model, "abba\n")
    samples = [[sample.text for sample in charlm.sample(one, 4, seed=1, allow_copies=True)] for one in (model, back)]
    assert samples[0] == samples[1]


@pytest.mark.parametrize("name", MODELS)
def test_tensors_have_the_order_of_pytorch(name):
    """Weights of PyTorch become those for which test_pytorch.py compares states and gradients, and back."""
    golden = Golden(name)
    tensors = {f"rnn.{key}": value for key, value in golden.named.items() if re.match(r"(weight|bias)_[ih]h", key)}
    tensors |= {"decoder.weight": golden.named["weight"], "decoder.bias": golden.named["bias"]}
    parameters = from_tensors(golden.architecture, tensors)
    assert np.allclose(parameters, golden.parameters, rtol=1e-6)
    model = Model(architecture=golden.architecture, vocabulary=CHARACTERS, parameters=parameters, lines=False)
    again = tensors_of(model)
    assert {key: array.shape for key, array in again.items()} == tensor_shapes(golden.architecture)
    for key in tensors:
        if "weight" in key:
            assert np.allclose(again[key], tensors[key], rtol=1e-6), key


# charlm export


def test_the_ending_or_to_says_what_is_written(tmp_path):
    assert [form_of(f"m{form.ending}").name for form in FORMS] == [form.name for form in FORMS]
    assert form_of("M.HTML").name == "html" and form_of("m.SafeTensors").name == "safetensors"
    assert form_of(tmp_path).name == "hub" and form_of("m.bin", "safetensors").name == "safetensors"
    assert form_of("M.HTML").name == "html"
    with pytest.raises(UsageError, match="cannot tell what m.tflite should be; end it in .safetensors"):
        form_of("m.tflite")
    with pytest.raises(UsageError, match="charlm writes no pickles, as m.pt would be"):
        form_of("m.pt")
    with pytest.raises(UsageError, match="there is no option 'form'"):
        charlm.export_model(model_of(), tmp_path / "m.safetensors", form="hub")


@pytest.fixture
def exported(tiny_model, tmp_path):
    """A folder with tiny.npz, and tiny.safetensors, which was made from it."""
    shutil.copy(tiny_model, tmp_path / "tiny.npz")
    assert run("export", tmp_path / "tiny.npz", tmp_path / "tiny.safetensors").exit_code == 0
    return tmp_path


def test_export_replaces_its_own_files_only(exported):
    model, out = exported / "tiny.npz", exported / "tiny.safetensors"
    done = run("export", model, out)
    assert (done.exit_code, done.stdout) == (0, "") and re.search(rf", with them \d\.\d+\nwrote {out}\n$", done.stderr)
    write_tensors(out, {"a": np.zeros(3, np.float32)}, {})
    done = run("export", model, out)
    assert done.exit_code == 1 and "which is not a .safetensors file of charlm" in done.stderr
    done = run("export", model, model, "--to", "safetensors")
    assert done.exit_code == 1 and "will not overwrite" in done.stderr and charlm.load(model)
    done = run("export", model, exported / "no" / "m.safetensors")
    assert done.exit_code == 1 and "there is no folder" in done.stderr


def test_snippet_prints_a_program_and_nothing_else(exported):
    done = run("export", exported / "tiny.npz", exported / "tiny.safetensors", "--snippet")
    compile(done.stdout, "snippet", "exec")
    assert repr(str(exported / "tiny.safetensors")) in done.stdout and "\nwrote " in done.stderr
    assert 20 <= len(done.stdout.splitlines()) <= 45
    done = run("export", exported / "tiny.npz", f"{exported / 'hub'}/", "--snippet", "--quiet")
    assert repr(f"{exported / 'hub'}/model.safetensors") in done.stdout and done.stderr == ""


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_there_is_a_program_for_each_kind_of_model(path):
    model = charlm.load(path)
    if model.architecture.channels:
        with pytest.raises(UsageError, match="no short program for .*; leave out --snippet"):
            program_for(model, "m.safetensors")
        return
    compile(program_for(model, "it's\n.safetensors"), "snippet", "exec")


# The folder of a model hub


def test_the_model_card_says_what_the_model_file_knows(tiny_model, tmp_path):
    model = charlm.load(tiny_model)
    export_model(model, tmp_path / "tiny", "hub")
    card = (tmp_path / "tiny" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlibrary_name: charlm\npipeline_tag: text-generation\n") and "\n# tiny\n" in card
    corpus = model.training["corpus"]
    for known in (corpus["sha256"], f"{corpus['train_tokens']:,} characters for training", "can test whether a line"):
        assert known in card
    assert f"{model.training['valid_loss']:.4f} nats per character" in card and "can read its n-grams" in card
    config = json.loads((tmp_path / "tiny" / "config.json").read_text())
    assert config["hidden"] == 6 and config["symbols"][2:] == list(model.vocabulary.symbols)


@pytest.mark.parametrize(
    "options",
    [
        {"lines": False, "holdout": 0.23},
        {"lines": False, "level": "subword"},
        {"lines": True, "level": "word", "ngrams": 2},
        {"level": "byte", "lines": False, "ngrams": 0, "seed": 3},
        {"separator": "--", "normalize": "NFC"},
        {"columns": "name"},
        {"minutes": 0.001, "lines": False, "hidden": 6},
    ],
    ids=str,
)
def test_the_model_card_has_the_baselines_of_the_training(options, tiny_text, tmp_path, monkeypatch):
    """No option that says how the text is read and split changes them, where the model file lets charlm know it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("charlm.network.multiply_adds.LEAST_EVALUATED", 7)
    monkeypatch.setattr("charlm.network.multiply_adds.EVALUATED_PER_SECOND", 1)
    rows = "".join(f"{number},{line}\n" for number, line in enumerate(tiny_text.splitlines()))
    lines = "--\n".join(tiny_text.splitlines(True))
    Path("text.txt").write_text(f"number,name\n{rows}" if "columns" in options else lines)
    given = {"hidden": 3, "layers": 1, "batch": 4, "steps": 8, "threads": 1, "ngrams": 4} | options
    trainer = new_trainer("text.txt", **given if "minutes" in options else {"epochs": 1} | given)
    wanted, _ = trainer.task.baselines(trainer.corpus, trainer.settings.minutes, trainer.ngrams)
    trainer.state.best_loss = 1.0
    found, why = losses_beside(trainer.best)
    assert not why and [name for name, _ in found] == [one.name for one in wanted] and len(found) == 3
    assert [loss for _, loss in found] == [one.nats / len(trainer.corpus.evaluated) for one in wanted]


@pytest.mark.parametrize(
    ("options", "text", "why"),
    [
        ({}, None, "the training text (*.txt) is not there"),
        ({}, "", "the training text (*.txt) is not there"),
        ({}, "abc\n", "*.txt is now another text than the one that the model was trained on"),
        (
            {"lines": True, "holdout": 0.3},
            "é",
            "charlm cannot split the text as in the training (--holdout, --encoding)",
        ),
        ({"valid": "valid.txt"}, "é", "another file was held out (--valid), and the model file does not say which"),
        ({"encoding": "latin-1"}, b"\xe9", "charlm cannot read *.txt as it did in the training (--encoding)"),
        ({"columns": "name"}, "name\nabc\n", "*.txt is now another text than the one that the model was trained on"),
    ],
)
def test_the_model_card_says_why_it_has_no_baselines(options, text, why, tiny_text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("*.txt")
    first = text if isinstance(text, bytes) else "é".encode()
    path.write_bytes((b"name\n" if "columns" in options else b"") + tiny_text.encode() + first)
    Path("valid.txt").write_text(tiny_text)
    given = {"hidden": 3, "layers": 1, "batch": 4, "steps": 8, "threads": 1, "lines": False, "epochs": 1}
    trainer = new_trainer(path, **given | options)
    trainer.state.best_loss = 1.0
    if text is None:
        path.unlink()
    elif text == "":
        path.unlink()
        path.mkdir()
    elif text != "é" and isinstance(text, str):
        path.write_text(text)
    model = trainer.best
    export_model(model, tmp_path / "m", "hub")
    card = (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    assert "| baselines |" not in card and "The losses of n-grams and xz are missing, because" in card
    assert losses_beside(model) == ([], why) and f"because {why}.".replace("*", r"\*") in card


@pytest.mark.parametrize(
    "changes",
    [
        {"valid_loss": None},
        {"corpus": None},
        {"corpus": {"names": ["/dev/zero"], "sha256": 1, "bytes": 0, "train_tokens": 5, "held_out_tokens": 2}},
        {"corpus": {"names": [1], "sha256": "", "bytes": 9, "train_tokens": 5, "held_out_tokens": 2}},
        {"corpus": {"names": ["-"], "sha256": "", "bytes": 0, "train_tokens": 5, "held_out_tokens": 2}},
        {"corpus": {"names": ["\0"], "sha256": "", "bytes": 9, "train_tokens": 5, "held_out_tokens": 2}},
        {"corpus": {"names": [], "sha256": "", "bytes": 0, "train_tokens": -1, "held_out_tokens": 2}},
        {"settings": {"minutes": "x", "seed": 1}},
        {"settings": {"minutes": float("nan"), "seed": 1}},
        {"settings": {"minutes": None, "seed": -1}},
    ],
)
def test_a_record_that_makes_no_sense_gives_no_baselines(changes, tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("-").touch()  # which is a file, and not standard input
    model = charlm.load(tiny_model)
    assert losses_beside(model)[0]
    assert losses_beside(replace(model, training=model.training | changes))[0] == []


def test_the_model_card_leaves_out_what_nobody_knows(tmp_path):
    export_model(model_of(), tmp_path / "m", "hub")
    card = (tmp_path / "m" / "README.md").read_text()
    assert "## The training" not in card and "## How good it is" not in card and "can test whether" not in card
    assert "| known lines | none:" in card


def test_names_and_symbols_are_text_in_the_card(tmp_path):
    vocabulary = Vocabulary("word", ["</script>", "<img src=x onerror=alert(1)>", "`` | **b**", "\u202eabc", "[a](b)"])
    corpus = {"names": ["a|b <b>`x`\n# y"], "sha256": "0", "bytes": 1, "train_tokens": 1, "held_out_tokens": 0}
    model = replace(model_of(vocabulary), training={"corpus": corpus})
    export_model(model, tmp_path / "m", "hub")
    card = (tmp_path / "m" / "README.md").read_text(encoding="utf-8").partition("## Use")[0]
    text = re.sub(r"\\.", "", card.partition("# m\n")[2])
    assert not re.search(r"[<>`*\[\]\u202e]", text) and "\n# y" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows and all(row.count("|") == 3 for row in rows)


def test_a_label_is_code_in_the_card(tmp_path):
    task = Generate(("\ud800```\r# it's", "b"))
    sizes = task.architecture_fields(CHARACTERS)
    model = replace(model_of(vocabulary_size=sizes["vocabulary_size"], outputs=sizes["outputs"]), task=task, lines=True)
    export_model(model, tmp_path / "m", "hub")
    card = (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    assert card.count("\n````") == 4 and "\n# it's" not in card


def test_a_card_that_somebody_edited_stays(exported):
    folder = exported / "hub"
    assert run("export", exported / "tiny.npz", folder, "--to", "hub").exit_code == 0
    assert run("export", exported / "tiny.npz", folder).exit_code == 0
    with open(folder / "README.md", "a") as file:
        file.write("by me\n")
    done = run("export", exported / "tiny.npz", folder)
    assert done.exit_code == 1 and "README.md, which is not a model card as charlm wrote it" in done.stderr
    done = run("export", exported / "tiny.npz", exported / "tiny.npz", "--to", "hub")
    assert done.exit_code == 1 and "it is a file" in done.stderr


# charlm import


def test_import_keeps_the_model_that_was_there(exported):
    weights, out = exported / "tiny.safetensors", exported / "m.npz"
    done = run("import", weights, "-o", out)
    assert (done.exit_code, done.stderr) == (0, f"wrote {out}\n")
    assert out.read_bytes() == (exported / "tiny.npz").read_bytes()
    done = run("import", weights, "-o", out)
    assert done.stderr == f"kept the model that was there as {exported / 'm.previous.npz'}\nwrote {out}\n"
    (exported / "text.npz").write_text("text")
    done = run("import", weights, "-o", exported / "text.npz")
    assert done.exit_code == 1 and "which is not a model of charlm" in done.stderr
    done = run("import", weights, "-o", exported / "m.npz", "--lines")
    assert done.exit_code == 2 and "--lines is for weights of other programs" in done.stderr
    assert run("import", weights, "-o", weights).exit_code == 1


NAMES = {"rnn.": "model.lstm.", "embedding.weight": "tok_emb.weight", "decoder.": "model.lm_head."}


def foreign(model, folder, changes=None, symbols=None):
    """Import the weights of a model as another program may have named them. changes: other tensors, by charlm's names,
    None to leave one out. symbols: a file."""
    tensors = {name: array for name, array in (tensors_of(model) | (changes or {})).items() if array is not None}
    for ours, theirs in NAMES.items():
        tensors = {name.replace(ours, theirs, 1): array for name, array in tensors.items()}
    write_tensors(folder / "w.safetensors", tensors, {"format": "pt"})
    if symbols is None:
        symbols = folder / "symbols.json"
        symbols.write_text(json.dumps(["\n", "<unk>", *model.vocabulary.symbols]))
    return import_model(folder / "w.safetensors", symbols)


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"cell": "gru", "layers": 2},
        {"cell": "rnn"},
        {"embedding": 3},
        {"embedding": 5},
        {"embedding": 5, "tied": True},
        {"hidden": 11},
        {"hidden": 11, "embedding": 11, "tied": True},
    ],
    ids=str,
)
def test_tensors_are_found_by_their_shapes(sizes, tmp_path):
    model = model_of(**sizes)
    found, _ = foreign(model, tmp_path)
    assert found.architecture == model.architecture and found.vocabulary == model.vocabulary
    assert found.parameters.tobytes() == model.parameters.tobytes()


def test_ids_in_another_order_are_followed(tmp_path):
    model, random = model_of(layers=2), np.random.default_rng(3)
    order = random.permutation(len(CHARACTERS))
    tensors = tensors_of(model)
    changes = {"rnn.weight_ih_l0": tensors["rnn.weight_ih_l0"][:, order]}
    changes |= {name: tensors[name][order] for name in ("decoder.weight", "decoder.bias")}
    symbols = ["\n", "<UNK>", *CHARACTERS.symbols]
    (tmp_path / "symbols.json").write_text(json.dumps([symbols[number] for number in order]))
    found, notes = foreign(model, tmp_path, changes, tmp_path / "symbols.json")
    text = "a bad cab?\nfee\n"
    assert abs(charlm.log_probability(found, text) - charlm.log_probability(model, text)) < 1e-4
    assert [note for note in notes if "characters (--level" in note and "one stream" not in note]


@pytest.mark.parametrize("alone", [None, 7, {"network": "x"}, {"network": 1.5}], ids=str)
def test_a_model_file_of_another_program_may_say_anything_of_its_losses(alone, tmp_path):
    model = charlm.load(next(path for path in GOLDEN if path.stem == "format-7"))
    model.training = {"alone": alone, "valid_loss": 1.25}
    (note,) = export_model(model, tmp_path / "m.safetensors")
    assert note.endswith("1.5000 nats per character, with them 1.2500" if alone == {"network": 1.5} else "n-grams")


def test_what_the_network_does_not_know_is_next_to_impossible(tmp_path):
    """A network without line ends and without <UNK> gives all else the probability that it gave before."""
    model = model_of()
    tensors = tensors_of(model)
    changes = {"rnn.weight_ih_l0": tensors["rnn.weight_ih_l0"][:, 2:]}
    changes |= {name: tensors[name][2:] for name in ("decoder.weight", "decoder.bias")}
    (tmp_path / "s.json").write_text(json.dumps({symbol: number for number, symbol in enumerate(CHARACTERS.symbols)}))
    found, notes = foreign(model, tmp_path, changes, tmp_path / "s.json")
    following = charlm.next_tokens(found, "a bad")
    assert (
        following["<EOS>"] < 2e-7 and following["<UNK>"] < 2e-7 and sum("no symbol is" in note for note in notes) == 2
    )


def test_bytes_need_no_file_of_symbols(tmp_path):
    model = model_of(Vocabulary("byte", [value for value in range(256) if value != 10]))
    tensors = tensors_of(model)
    ids = [*range(2, 12), 0, *range(12, 257)]  # the row of each byte
    changes = {"rnn.weight_ih_l0": tensors["rnn.weight_ih_l0"][:, ids]}
    changes |= {name: tensors[name][ids] for name in ("decoder.weight", "decoder.bias")}
    write_tensors(tmp_path / "w.safetensors", tensors | changes, {})
    with pytest.warns(Note) as notes:
        found = charlm.import_model(tmp_path / "w.safetensors", level="byte")
    assert found.named_parameters["layer1.W_x"][ids].tobytes() == model.named_parameters["layer1.W_x"][ids].tobytes()
    assert found.vocabulary == model.vocabulary and any("one stream" in str(note.message) for note in notes)


def test_a_name_is_left_out_and_a_beginning_is_what_is_read_first(tmp_path):
    model, rows = model_of(lines=True), []
    tensors = tensors_of(model)
    for name, axis in (("rnn.weight_ih_l0", 1), ("decoder.weight", 0), ("decoder.bias", 0)):
        one = np.take(tensors[name], [0], axis)  # what charlm reads first is here the row of <s>, and that of \n is 9
        pads = [np.full_like(one, 9), one, np.full_like(one, -9)]
        rest = np.delete(tensors[name], 0, axis)
        rows.append(np.concatenate([pads[0] if axis else one, rest, pads[1] if axis else pads[2], pads[2]], axis))
    changes = dict(zip(("rnn.weight_ih_l0", "decoder.weight", "decoder.bias"), rows, strict=True))
    (tmp_path / "s.json").write_text(json.dumps(["\n", "<unk>", *CHARACTERS.symbols, "<s>", "<pad>"]))
    write_tensors(tmp_path / "w.safetensors", tensors | changes, {})
    found, notes = import_model(tmp_path / "w.safetensors", tmp_path / "s.json", lines=True)
    assert found.parameters.tobytes() == model.parameters.tobytes()
    assert "left out what no text has: <s>, <pad>" in notes


def test_the_symbols_of_a_model_are_those_of_weights_that_were_trained_on(tiny_model, tmp_path):
    model = charlm.load(tiny_model)
    export_model(model, tmp_path / "m.safetensors")
    with opened_tensors(tmp_path / "m.safetensors") as file:
        tensors, metadata = {name: file[name].copy() for name in file}, dict(file.metadata)
    tensors["decoder.bias"] += 1
    write_tensors(tmp_path / "m.safetensors", tensors, metadata)
    with pytest.raises(ModelFileError, match="another program changed its tensors.*--symbols"):
        import_model(tmp_path / "m.safetensors")
    found, _ = import_model(tmp_path / "m.safetensors", tiny_model)
    assert np.array_equal(found.named_parameters["b_y"], model.named_parameters["b_y"] + 1)
    assert found.vocabulary == model.vocabulary and found.training["imported"]["name"] == "m.safetensors"
    found.save(tmp_path / "m.npz")
    assert "imported from m.safetensors" in " ".join(run("info", tmp_path / "m.npz").stdout.split())


def test_a_file_of_bfloat16_is_read(tmp_path):
    values = np.array([1.0, -2.5, 3.140625], np.float32)
    header = {"b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    header |= {"a": {"dtype": "BF16", "shape": [3, 1], "data_offsets": [4, 10]}}
    data = np.float32(7).tobytes() + (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    (tmp_path / "x.safetensors").write_bytes(raw(header, data))
    with opened_tensors(tmp_path / "x.safetensors") as file:
        assert file["a"].tolist() == values[:, None].tolist() and file["b"] == 7 and len(file) == 2


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rnn.weight_ih_l0": None}, "has no tensor model.lstm.weight_ih_l0"),
        ({"rnn.weight_hh_l0": None}, "has no tensor model.lstm.weight_hh_l0"),
        ({"rnn.weight_hh_l0": zeros(10, 5)}, r"weight_hh_l0' is F32 \(10, 5\); it should be \(4 H, H\) for nn.LSTM"),
        ({"rnn.weight_hh_l0": zeros(0, 0)}, r"weight_hh_l0' is F32 \(0, 0\)"),
        ({"rnn.weight_ih_l0": zeros(15, 11)}, r"weight_ih_l0' is F32 \(15, 11\); it should be \(20, 11\)"),
        ({"rnn.weight_ih_l0": zeros(20)}, r"weight_ih_l0' is F32 \(20\); it should be \(20, the width"),
        ({"rnn.weight_hh_l0": zeros()}, r"weight_hh_l0' is F32 \(\)"),
        ({"rnn.weight_hh_l1": zeros(20, 5)}, "has no tensor model.lstm.weight_ih_l1"),
        ({"rnn.bias_ih_l0": zeros(5)}, r"bias_ih_l0' is F32 \(5\); it should be \(20,\)"),
        ({"rnn.weight_hr_l0": zeros(2, 5)}, "without projections"),
        ({"rnn.weight_ih_l0_reverse": zeros(20, 11)}, "read forward"),
        ({"rnn.weight_ih_l999999999": zeros(20, 5)}, "of up to 4 layers"),
        ({"other.weight_ih_l0": zeros(20, 5)}, "several networks, model.lstm. and other."),
        ({"decoder.weight": None}, r"there is no decoder.weight; it should be a linear map of \(11, 5\)"),
        ({"decoder.weight": zeros(12, 5)}, r"lm_head.weight' is F32 \(12, 5\).*a linear map of \(11, 5\) to the 11"),
        ({"decoder.bias": zeros(12)}, r"lm_head.bias' is F32 \(12\); it should be \(11,\)"),
        ({"norm.weight": zeros(5), "norm.bias": zeros(5)}, r"output: norm.\w+, norm.\w+; without"),
        ({"norm.weight": zeros(11)}, "output: .*norm.weight.*; without"),
        ({"rnn.weight_ih_l0": zeros(20, 7)}, r"an embedding of \(11, 7\)"),
        ({"more.weight": zeros(11, 5), "most.weight": zeros(11, 5)}, "nothing else"),
        ({"decoder.bias": np.full(11, np.nan, np.float32)}, "lm_head.bias has numbers that are not finite"),
        ({"decoder.bias": np.full(11, 1e300)}, "lm_head.bias has numbers that are not finite"),
        ({"decoder.bias": zeros(11, dtype=np.uint8)}, "it should be of floating-point numbers"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else ", ".join(value),
)
def test_what_does_not_fit_is_named(changes, words, tmp_path):
    with pytest.raises(ModelFileError, match=words) as error:
        foreign(model_of(), tmp_path, changes)
    assert str(error.value).startswith(f"{tmp_path / 'w.safetensors'}") and len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("embedding", [0, 4])
def test_symbols_that_are_too_few_are_named_with_the_linear_map(embedding, tmp_path):
    symbols = tmp_path / "s.json"
    symbols.write_text(json.dumps(["\n", *CHARACTERS.symbols]))
    words = r"lm_head.weight' is F32 \(11, 5\); it should be a linear map of \(10, 5\) to the 10 symbols of .*s.json"
    words += r", and an embedding of \(10, 4\)$" if embedding else "$"
    changes = {"embedding.weight": None} if not embedding else {}
    with pytest.raises(ModelFileError, match=words):
        foreign(model_of(embedding=embedding), tmp_path, changes, symbols)


def test_two_tables_of_one_shape_need_telling_names(tmp_path):
    model = model_of(embedding=5)
    tensors = tensors_of(model)
    renamed = {"a": tensors.pop("embedding.weight"), "b": tensors.pop("decoder.weight")}
    write_tensors(tmp_path / "w.safetensors", tensors | renamed, {})
    (tmp_path / "s.json").write_text(json.dumps(["\n", "<unk>", *CHARACTERS.symbols]))
    with pytest.raises(ModelFileError, match="which of a and b is the embedding"):
        import_model(tmp_path / "w.safetensors", tmp_path / "s.json")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(CharlmError, match="the package safetensors, .* is missing: pip install safetensors$"):
        charlm.import_model(tmp_path / "w.safetensors")


def test_what_is_no_file_of_weights_is_refused(tiny_model, tmp_path):
    for name in ("m.pt", "M.PT", "pytorch_model.bin"):
        with pytest.raises(UsageError, match="charlm reads no pickles"):
            charlm.import_model(tmp_path / name)
    with pytest.raises(ModelFileError, match="no file"):
        charlm.import_model(tmp_path / "m.safetensors")
    with pytest.raises(UsageError, match="is a model of charlm already"):
        charlm.import_model(tiny_model)
    write_tensors(tmp_path / "w.safetensors", tensors_of(model_of()), {})
    with pytest.raises(ModelFileError, match="is a file of weights.*: charlm import .*w.safetensors -o FILE"):
        charlm.load(tmp_path / "w.safetensors")
    (tmp_path / "text.safetensors").write_text("text")
    with pytest.raises(ModelFileError, match="text.safetensors is not a .safetensors file"):
        charlm.import_model(tmp_path / "text.safetensors")
    with pytest.raises(UsageError, match="add --symbols FILE"):
        charlm.import_model(tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match="there is no option 'symbol'; did you mean 'symbols'"):
        charlm.import_model(tmp_path / "w.safetensors", symbol="x")


# Symbols


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("a\n\\n\n \n\\t\n\\\\\n\\\n", ["a", "\n", " ", "\t", "\\", "\\x"]),
        ("a\r\nb", ["a", "b"]),
        ('["a", "\\n"]', ["a", "\n"]),
        ("[\n]\na\n", ["[", "]", "a"]),
        ('{"b": 1, "a": 0}', ["a", "b"]),
        ('{"1": "b", "0": "a"}', ["a", "b"]),
        ('{"size": 2, "special": ["a"], "itos": {"0": "a", "1": "b"}, "stoi": {"a": 0, "b": 1}}', ["a", "b"]),
        ('{"chars": ["a", "b"]}', ["a", "b"]),
        ('{"itos": 0, "stoi": 1}', ["itos", "stoi"]),
        ('{"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 1, "content": "<s>"}]}', ["a", "<s>"]),
    ],
)
def test_symbols_are_read(text, symbols, file):
    if symbols[-1] == "\\x":  # a lone backslash is one, but then it is there twice
        with pytest.raises(CorpusError, match="symbol 5 is .* as symbol 4 is"):
            read_symbols(file(text))
        text, symbols = text[:-2], symbols[:-1]
    assert read_symbols(file(text)) == symbols


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "has no symbols"),
        ("a\n\nb\n", "line 2 is empty; write one symbol per line"),
        ('["a", ""]', "symbol 1 is '', which is no text"),
        ('{"0": "a", "2": "b"}', "does not give its 2 symbols the ids from 0 to 1"),
        ('{"0": "a", "1": "a"}', "does not give"),
        ('{"a": "b"}', "does not give"),
        ("a\nb\na\n", "symbol 2 is 'a', as symbol 0 is"),
        ('["a", 3]', "symbol 1 is 3, which is no text"),
        ('["\\ud800"]', "half of a character"),
        ('{"a": 0, "b": 2}', "does not give its 2 symbols the ids from 0 to 1"),
        ('{"a": 0, "b": true}', "does not give"),
        ('{"model": {"type": "Unigram", "vocab": []}}', "a tokenizer of the kind 'Unigram'"),
        ('{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}', "a tokenizer of the kind 'BPE'"),
        ('{"model": {"vocab": [1]}}', "a tokenizer without a vocabulary"),
        (b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_symbols_that_cannot_be(content, words, file):
    with pytest.raises(CorpusError, match=words):
        read_symbols(file(content, "s.txt"))


def test_a_file_of_symbols_that_cannot_be_read(file, tmp_path):
    for path, words in (
        (tmp_path, "is not a regular file"),
        (tmp_path / "none", "cannot read"),
        (file("[" * 100_000, "deep.json"), "is not JSON: it is nested too deeply"),
        (file("{", "s.json"), "is not JSON"),
    ):
        with pytest.raises(CorpusError, match=words):
            read_symbols(path)


@pytest.mark.parametrize(
    ("symbols", "level", "found"),
    [
        (["a", "b", "\n", "<pad>"], None, "char"),
        (["the", "cat"], None, "token"),
        ([" the", "cat", "."], None, "word"),
        (["the", "cat"], "word", "word"),
        (["a b", "c"], None, "symbol 0 is 'a b', and no token"),
        (["ab", "c"], "char", "symbol 0 is 'ab', and no character"),
    ],
)
def test_the_level_suits_the_symbols(symbols, level, found, tmp_path):
    model = model_of(Vocabulary("word", [f"w{number}" for number in range(len(symbols) - 2)]))
    write_tensors(tmp_path / "w.safetensors", tensors_of(model), {})
    (tmp_path / "s.json").write_text(json.dumps(symbols))
    if " " in found:
        with pytest.raises(UsageError, match=found):
            import_model(tmp_path / "w.safetensors", tmp_path / "s.json", level)
    else:
        assert import_model(tmp_path / "w.safetensors", tmp_path / "s.json", level)[0].vocabulary.level == found


def test_levels_that_symbols_cannot_have(file, tmp_path):
    write_tensors(tmp_path / "w.safetensors", tensors_of(model_of()), {})
    with pytest.raises(UsageError, match="level must be char, word, token or byte"):
        charlm.import_model(tmp_path / "w.safetensors", level="subword")
    with pytest.raises(UsageError, match="--level byte and --symbols do not go together"):
        charlm.import_model(tmp_path / "w.safetensors", symbols=file("a"), level="byte")
