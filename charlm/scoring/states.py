"""What a language model has in mind after a text: its hidden states, and the distribution of the next token."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..errors import UsageError
from ..model import Model
from ..network.cells import CELLS
from ..network.mixture import Mixture
from ..network.probabilities import log_softmax
from ..network.stepper import State, numpy_network
from ..text.vocabulary import EOS, SPECIAL, Vocabulary


class HiddenStates(NamedTuple):
    """The states of a network after each token of a text.

    a: the hidden states, float32 (layers, tokens, H); the last layer's give the distribution of the next token.
    c: the cell states of an LSTM, (layers, tokens, H); None for a cell without them.
    """

    a: np.ndarray
    c: np.ndarray | None


def next_tokens(model: Model, text: str) -> dict[str, float]:
    """The probability of each symbol to be the token after a text, the most likely first. They sum to 1.

    The line feed is "<EOS>", a symbol outside the vocabulary "<UNK>", and a byte that is not ASCII a lone surrogate
    (PEP 383). A model of lines reads the last, unfinished line of the text; any other model reads all of it from the
    beginning. Raises UsageError for a model of another task.
    """
    model.check_task("text")
    text = model.vocabulary.inside(text)
    if model.lines:
        text = text.rpartition("\n")[2]
    (state,) = deque(_states_after(model, text, model.mixture), maxlen=1)
    probabilities = np.exp(log_softmax(state[-1][0].astype(np.float64)))
    order = np.argsort(-probabilities, kind="stable")
    names = token_names(model.vocabulary)
    return {names[number]: float(probabilities[number]) for number in order}


def hidden_states(model: Model, text: str) -> HiddenStates:
    """The states after each token of a text. In a model of lines, the states after a line feed are those before the
    next line, which do not depend on the text.

    Raises UsageError for a model of another task, and for a feed-forward network, which has no states.
    """
    check_has_states(model, by_line=False)
    text, sizes = model.vocabulary.inside(text), model.architecture
    shape, has_c = (sizes.layers, len(model.vocabulary.encode(text)), sizes.hidden), CELLS[sizes.cell].has_c
    a, c = np.zeros(shape, np.float32), np.zeros(shape if has_c else (0,), np.float32)
    states = _states_after(model, text)
    next(states)  # before the first token
    for token, state in enumerate(states):
        for layer in range(sizes.layers):
            a[layer, token] = state[2 * layer][0]
            if has_c:
                c[layer, token] = state[2 * layer + 1][0]
    return HiddenStates(a, c if has_c else None)


def token_names(vocabulary: Vocabulary) -> list[str]:
    """The text of each id, with "<EOS>" and "<UNK>"."""
    texts = (vocabulary.outside(vocabulary.decode([number])) for number in range(len(SPECIAL), len(vocabulary)))
    return [*SPECIAL, *texts]


def check_has_states(model: Model, by_line: bool) -> None:
    """Raise UsageError for a model whose task or network has no states at each token, or after each line."""
    model.check_task("text", "classify")
    model.check_reads_text()
    if model.architecture.context:
        raise UsageError("a feed-forward network has no hidden states; train with cell='lstm', 'gru' or 'rnn'")
    if model.task.name == "classify" and not by_line:
        raise UsageError("a classifier has a state for each line and none for a token: give --per-line (by='line')")


def _states_after(model: Model, text: str, mixture: Mixture | None = None) -> Iterator[State]:
    """The states of the network in NumPy, or of a mixture, before the first token of a text, and after each token."""
    network = numpy_network(model.architecture, model.parameters, True, mixture)
    end = np.array([EOS])
    beginning = network.step(network.zero_state(1), end)
    state = beginning
    yield state
    for token in model.vocabulary.encode(text).tolist():
        is_next_line = model.lines and token == EOS
        state = beginning if is_next_line else network.step(state, np.array([token]))
        yield state
