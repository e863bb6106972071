"""The equations of the network in plain NumPy, one time step at a time: the oracle of the tests.

Only tests import this module. It says what the kernels (``kernels/``) and the NumPy engine of sampling
(``stepper.py``) must compute, and how: forward and backward of each cell, the loss, and its gradient by
backpropagation through time (BPTT). Nothing in it is made for speed. Notation: a and c are states, a prime marks the
state before (``a_``, ``c_``), and d before a name is the gradient of the loss with respect to it. Shapes of one step:
x (N, D) or tokens (N), a and c (N, H), z_x = x W_x.

A cell that carries a state has two functions, which ``STEPS`` names:

    step(z_x, a_, c_, W_a, b, p) → (a, c, gates), the gates as the step backward needs them
    step_backward(da, dc, a_, c_, gates, W_a, p) → (dz_x, dz_a, db (N, columns), da_, dc_, dp)
"""

import numpy as np

from ..text.vocabulary import UNKNOWN
from .architecture import Architecture, views
from .cells import CELLS
from .probabilities import log_softmax, softmax


def sigmoid(x):
    """σ(x) = ½ tanh(½ x) + ½, which overflows nowhere."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def rnn_step(z_x, a_, c_, W_a, b, p):
    """a = tanh(W_aa a' + W_ax x + b_a)"""
    a = np.tanh(a_ @ W_a + z_x + b)
    return a, c_, (a,)


def rnn_step_backward(da, dc, a_, c_, gates, W_a, p):
    (a,) = gates
    dz = da * (1 - a * a)
    return dz, dz, dz, dz @ W_a.T, dc, None


def gru_step(z_x, a_, c_, W_a, b, p):
    """u, r = σ(W_{u,r} [c', x] + b)   q = W_ch c' + b_ch   c̃ = tanh(r * q + W_cx x + b_cx)   c = u * c̃ + (1 - u) *
    c'"""
    x_g, x_u, x_r = np.split(z_x, 3, axis=-1)
    h_u, h_r, h_q = np.split(a_ @ W_a, 3, axis=-1)
    b_g, b_u, b_r, b_q = np.split(b, 4)
    u, r, q = sigmoid(x_u + h_u + b_u), sigmoid(x_r + h_r + b_r), h_q + b_q
    g = np.tanh(r * q + x_g + b_g)
    return u * g + (1 - u) * a_, c_, (g, u, r, q)


def gru_step_backward(da, dc, a_, c_, gates, W_a, p):
    g, u, r, q = gates
    dz_u = da * (g - a_) * u * (1 - u)
    dz_g = da * u * (1 - g * g)
    dz_r = dz_g * q * r * (1 - r)
    dz_q = dz_g * r
    dz_a = np.concatenate((dz_u, dz_r, dz_q), axis=1)
    dz_x = np.concatenate((dz_g, dz_u, dz_r), axis=1)
    return dz_x, dz_a, np.concatenate((dz_x, dz_q), axis=1), dz_a @ W_a.T + da * (1 - u), dc, None


def lstm_step(z_x, a_, c_, W_a, b, p):
    """u, f, o = σ(W_{u,f,o} [a', x] + b)   c̃ = tanh(W_c [a', x] + b_c)   c = u * c̃ + f * c'   a = o * tanh(c)

    p (3, H), or None without peepholes: u and f also see c', and o sees c.
    """
    p_u, p_f, p_o = (0, 0, 0) if p is None else p
    z_u, z_f, z_o, z_g = np.split(a_ @ W_a + z_x + b, 4, axis=-1)
    u, f, g = sigmoid(z_u + p_u * c_), sigmoid(z_f + p_f * c_), np.tanh(z_g)
    c = u * g + f * c_
    o = sigmoid(z_o + p_o * c)
    return o * np.tanh(c), c, (u, f, o, g, c)


def lstm_step_backward(da, dc, a_, c_, gates, W_a, p):
    u, f, o, g, c = gates
    dz_o = da * np.tanh(c) * o * (1 - o)
    dc = dc + da * o * (1 - np.tanh(c) ** 2)
    if p is not None:
        dc = dc + dz_o * p[2]
    dz_u, dz_f, dz_g = dc * g * u * (1 - u), dc * c_ * f * (1 - f), dc * u * (1 - g * g)
    dc_, dp = dc * f, None
    if p is not None:
        dc_ = dc_ + dz_u * p[0] + dz_f * p[1]
        dp = np.stack([(dz_u * c_).sum(0), (dz_f * c_).sum(0), (dz_o * c).sum(0)])
    dz = np.concatenate((dz_u, dz_f, dz_o, dz_g), axis=1)
    return dz, dz, dz, dz @ W_a.T, dc_, dp


def feedforward_step(z_x, b):
    """a = tanh(W_1 x⟨t⟩ + … + W_n x⟨t-n+1⟩ + b)"""
    return np.tanh(z_x + b)


def feedforward_step_backward(da, a):
    return da * (1 - a * a)


STEPS = {
    "rnn": (rnn_step, rnn_step_backward),
    "gru": (gru_step, gru_step_backward),
    "lstm": (lstm_step, lstm_step_backward),
    "peephole": (lstm_step, lstm_step_backward),
    "feedforward": (feedforward_step, feedforward_step_backward),
}


class Reference:
    """A network that reads ``rows`` sequences in parallel. ``reference_of`` makes the one for an architecture.

    parameters: (P), float32 or float64. state: (a, c) of each layer; c has no columns where the cell has none.
    """

    def __init__(self, architecture: Architecture, parameters: np.ndarray, rows: int = 1):
        self.architecture, self.parameters = architecture, parameters
        self.named = views(architecture, parameters)
        self.forward_step, self.backward_step = STEPS[architecture.cell]
        self.W_ya = self.named["E"].T if architecture.tied else self.named["W_ya"]
        self.weights = [self._weights(layer) for layer in range(1, architecture.layers + 1)]
        self.reset(rows)

    def reset(self, rows: int) -> None:
        """Set the zero state, for this number of ``rows``."""
        zero = np.zeros((rows, self.architecture.hidden), self.parameters.dtype)
        has_c = CELLS[self.architecture.cell].has_c
        self.state = [(zero, zero if has_c else zero[:, :0]) for _ in range(self.architecture.layers)]

    def _weights(self, layer):
        name = f"layer{layer}."
        return tuple(self.named.get(name + kind) for kind in ("W_x", "W_a", "b", "p"))

    def step(self, tokens: np.ndarray) -> np.ndarray:
        """Read the next tokens, ids (N): the logits (N, V) of the tokens after them."""
        return self._step(tokens)[0]

    def _step(self, tokens):
        x = self.named["E"][tokens] if self.architecture.embedding else None
        kept = []
        for layer, (a_, c_) in enumerate(self.state):
            W_x, W_a, b, p = self.weights[layer]
            z_x = W_x[tokens] if x is None else x @ W_x
            a, c, gates = self.forward_step(z_x, a_, c_, W_a, b, p)
            self.state[layer] = a, c
            kept.append((x, a_, c_, gates))
            x = a
        return x @ self.W_ya + self.named["b_y"], (x, kept)

    def forward(self, tokens: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """-log ŷ of every target, (T, N), 0 where there is no target (-1). tokens, targets: ids (T, N)."""
        return np.stack([cross_entropy(self.step(now), wanted) for now, wanted in zip(tokens, targets, strict=True)])

    def loss_and_gradient(self, tokens, targets, scale: float, unknown: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """(nats (T, N), gradient (P) of scale · their sum), by backpropagation through these T steps.

        unknown: the fraction of every target that <UNK> gets, in the gradient only, as in ``kernels/softmax.py``.
        """
        nats, steps = [], []
        for now, wanted in zip(tokens, targets, strict=True):
            logits, kept = self._step(now)
            nats.append(cross_entropy(logits, wanted))
            steps.append((now, wanted, softmax(logits), kept))
        gradient = np.zeros_like(self.parameters)
        d = views(self.architecture, gradient)
        dW_ya = d["E"].T if self.architecture.tied else d["W_ya"]
        d_state = [(np.zeros_like(a), np.zeros_like(c)) for a, c in self.state]
        for now, wanted, probabilities, (top, kept) in reversed(steps):
            d_logits = probabilities * scale
            rows = np.arange(len(now))
            d_logits[rows, wanted] -= scale * (1 - unknown)
            d_logits[rows, UNKNOWN] -= scale * unknown
            d_logits[wanted < 0] = 0
            dW_ya += top.T @ d_logits
            d["b_y"] += d_logits.sum(0)
            self._step_backward(now, kept, d_logits @ self.W_ya.T, d_state, d)
        return np.stack(nats), gradient

    def _step_backward(self, now, kept, above, d_state, d):
        """Add the part of one step to the gradients ``d`` of the layers and of E.

        above: the gradient with respect to the last layer's output; d_state: with respect to a and c of each layer,
        after this step when it comes in, before this step when it is returned.
        """
        for layer in range(self.architecture.layers, 0, -1):
            x, a_, c_, gates = kept[layer - 1]
            W_x, W_a, _, p = self.weights[layer - 1]
            da, dc = d_state[layer - 1]
            dz_x, dz_a, db, da, dc, dp = self.backward_step(da + above, dc, a_, c_, gates, W_a, p)
            d_state[layer - 1] = da, dc
            name = f"layer{layer}."
            d[name + "W_a"] += a_.T @ dz_a
            d[name + "b"] += db.sum(0)
            if dp is not None:
                d[name + "p"] += dp
            if x is None:
                np.add.at(d[name + "W_x"], now, dz_x)
            else:
                d[name + "W_x"] += x.T @ dz_x
                above = dz_x @ W_x.T
        if self.architecture.embedding:
            np.add.at(d["E"], now, above)


class FeedforwardReference(Reference):
    """The feed-forward language model. Its state holds the last n-1 tokens, (N, n-1): 1 + their ids, 0 for nothing."""

    def reset(self, rows: int) -> None:
        past = np.zeros((rows, self.architecture.context - 1), self.parameters.dtype)
        self.state = [(past, past[:, :0])]

    def _step(self, tokens):
        ((past, nothing),) = self.state
        seen = np.concatenate((past, 1 + tokens[..., None]), axis=-1)
        self.state = [(seen[..., 1:].astype(past.dtype), nothing)]
        ids = seen[..., ::-1].astype(int) - 1  # of x⟨t⟩, x⟨t-1⟩, …
        x = rows_of(self.named["E"], ids).reshape(*tokens.shape, -1) if self.architecture.embedding else None
        kept = [ids]
        for W_x, _, b, _ in self.weights:
            z_x = rows_of(W_x, self._in_table(ids)).sum(-2) if x is None else x @ W_x
            a = self.forward_step(z_x, b)
            kept.append((x, a))
            x = a
        return x @ self.W_ya + self.named["b_y"], (x, kept)

    def _in_table(self, ids):
        """The first layer's W_x has V rows for each of the n tokens; -1 where there is no token."""
        V, n = self.architecture.vocabulary_size, self.architecture.context
        return np.where(ids < 0, -1, ids + V * np.arange(n))

    def _step_backward(self, now, kept, above, d_state, d):
        ids, *layers = kept
        for layer in range(self.architecture.layers, 0, -1):
            x, a = layers[layer - 1]
            W_x, _, _, _ = self.weights[layer - 1]
            name, dz = f"layer{layer}.", self.backward_step(above, a)
            d[name + "b"] += dz.sum(0)
            if x is None:
                add_to_rows(d[name + "W_x"], self._in_table(ids), dz[:, None])
            else:
                d[name + "W_x"] += x.T @ dz
                above = dz @ W_x.T
        if self.architecture.embedding:
            add_to_rows(d["E"], ids, above.reshape(*ids.shape, -1))


def rows_of(table: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The rows of a table that ids name, zeros for -1: (…, columns)."""
    rows = table[ids]
    rows[ids < 0] = 0
    return rows


def add_to_rows(table: np.ndarray, ids: np.ndarray, values: np.ndarray) -> None:
    """Add values (…, columns) to the rows of a table that ids name, in order; skip -1."""
    there = ids >= 0
    np.add.at(table, ids[there], np.broadcast_to(values, (*ids.shape, values.shape[-1]))[there])


def reference_of(architecture: Architecture, parameters: np.ndarray, rows: int = 1) -> Reference:
    """The oracle for an architecture. parameters: (P); rows: sequences in parallel."""
    return (FeedforwardReference if architecture.context else Reference)(architecture, parameters, rows)


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """-log softmax(logits)[target], (N), 0 where the target is -1. logits: (N, V); targets: (N)."""
    nats = -np.take_along_axis(log_softmax(logits), np.maximum(targets, 0)[:, None], axis=1)[:, 0]
    return np.where(targets >= 0, nats, 0)
