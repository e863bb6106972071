"""The graphs of .onnx files: whole, with each parameter once. ``tests/export`` runs them in onnxruntime."""

import numpy as np
import pytest
from test_modelfile import new_mixture, new_model

from charlm.errors import CharlmError
from charlm.export import onnx as form
from charlm.export import without_ngrams
from charlm.network.architecture import Architecture, Tagging, Translation, views
from charlm.network.cells import CELLS
from charlm.text.vocabulary import UNKNOWN

RECURRENT = [cell for cell in CELLS if cell != "feedforward"]


def check(graph, parameters):
    """Each value is made once and before it is read, and the constants are the parameters and a few numbers more.
    Returns the names of the inputs and those of the outputs."""
    known = {name for name, *_ in graph.inputs} | set(graph.constants)
    for operator, read, made, _ in graph.nodes:
        assert {name for name in read if name} <= known, operator
        assert not known & set(made)
        known |= set(made)
    assert {name for name, *_ in graph.outputs} <= known
    wanted = sum(array.size for array in parameters.values())
    biases = sum(array.size for name, array in parameters.items() if name.endswith(".b"))  # each has a second one of 0
    found = sum(array.size for array in graph.constants.values() if array.dtype == np.float32)
    assert wanted <= found <= wanted + biases + 60
    return [name for name, *_ in graph.inputs], [name for name, *_ in graph.outputs]


def parameters_of(architecture):
    return views(architecture, np.random.default_rng(1).standard_normal(architecture.number_of_parameters, np.float32))


@pytest.mark.parametrize("sizes", [{}, {"embedding": 4}, {"embedding": 6, "tied": True}])
@pytest.mark.parametrize("cell", CELLS)
def test_a_language_model_gives_back_each_state_that_it_takes(cell, sizes):
    for size in (9, 99):
        architecture = Architecture(size, cell, 6, 2, **sizes)
        named = parameters_of(architecture)
        taken, given = check(form.language_model(architecture, named), named)
        assert taken[0] == "tokens" and given == ["logits", *(f"{name}.after" for name in taken[1:])]
        assert len(taken) == 1 + len(architecture.carried)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", RECURRENT)
def test_the_graphs_of_whole_sequences(cell, bidirectional):
    for sizes in ({"vocabulary_size": 9, "embedding": 5}, {"vocabulary_size": 9}, {"vocabulary_size": 99}):
        sizes |= {"cell": cell, "hidden": 6, "layers": 2, "bidirectional": bidirectional}
        architecture = Architecture(**sizes, outputs=3)
        named = parameters_of(architecture)
        assert check(form.classifier(architecture, named), named) == (["tokens", "lengths"], ["logits"])
        architecture = Tagging(**sizes, outputs=3, words_size=5)
        named = parameters_of(architecture)
        taken, _ = check(form.tagger(architecture, named), named)
        assert taken == ["words", "word_lengths", "known", "tokens", "lengths"]
        architecture = Translation(**sizes)
        named = parameters_of(architecture)
        of_encoder = {name: array for name, array in named.items() if not name.startswith("decoder.")}
        taken, given = check(form.encoder(architecture, named), of_encoder)
        states = [f"layer{layer}.{kind}" for layer in (1, 2) for kind in ("a", "c")[: 1 + CELLS[cell].has_c]]
        assert (taken, given) == (["tokens", "lengths"], states)


def test_without_the_package_onnx_it_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(form, "find_spec", lambda name: None)
    with pytest.raises(CharlmError, match=r"pip install 'charlm\[onnx\]'"):
        form.write(new_model(), tmp_path / "m.onnx", ())
    assert not list(tmp_path.iterdir())


def test_what_another_program_wrote_into_the_record_does_no_harm():
    model = new_model()
    model.mixture = new_mixture(model)
    for alone in (None, [], {"network": "much"}, {"network": 1.5}):
        model.training["alone"] = alone
        (line,) = without_ngrams(model, "a file has")
        assert line.endswith("without the n-grams")
    model.training["valid_loss"] = 1.25
    assert without_ngrams(model, "a file has")[0].endswith(
        "its held-out loss is 1.5000 nats per character, with them 1.2500"
    )
    assert form._metadata(model)["unknown_id"] == str(UNKNOWN)
