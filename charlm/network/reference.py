"""The network in plain NumPy, one time step at a time, written like the equations.

It is the oracle that the kernels are tested against, and the engine of sampling and of short scoring, which start at
once because there is nothing to compile. Notation as in the kernels: a and c are states, a prime marks the state
before (``a_``, ``c_``), and d before a name is the gradient of the loss by it. All of one step: x (N, D) or tokens
(N), a and c (N, H).
"""

import numpy as np

from ..text.vocabulary import UNKNOWN
from .architecture import CELLS, Architecture, views


def sigmoid(x):
    y = np.multiply(x, 0.5)
    np.tanh(y, out=y)
    y *= 0.5
    y += 0.5
    return y


def columns(z, number):
    """z (…, number · H) in parts of H columns each; views, and sooner made than by np.split."""
    H = z.shape[-1] // number
    return [z[..., part * H : (part + 1) * H] for part in range(number)]


def rnn_step(z_x, a_, c_, W_a, b, p):
    """a = tanh(W_aa a' + W_ax x + b_a)"""
    a = np.tanh(a_ @ W_a + z_x + b)
    return a, c_, (a,)


def rnn_step_back(da, dc, a_, c_, gates, W_a, p):
    (a,) = gates
    dz = da * (1 - a * a)
    return dz, dz, dz, dz @ W_a.T, dc, None


def gru_step(z_x, a_, c_, W_a, b, p):
    """u, r = σ(W_{u,r} [c', x] + b)   q = W_ch c' + b_ch   c̃ = tanh(r * q + W_cx x + b_cx)   c = u * c̃ + (1 - u) *
    c'"""
    H, h = a_.shape[-1], a_ @ W_a
    u, r = columns(sigmoid(z_x[..., H:] + h[..., : 2 * H] + b[H : 3 * H]), 2)
    q = h[..., 2 * H :] + b[3 * H :]
    g = np.tanh(r * q + z_x[..., :H] + b[:H])
    return u * g + (1 - u) * a_, c_, (g, u, r, q)


def gru_step_back(da, dc, a_, c_, gates, W_a, p):
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
    z = a_ @ W_a
    z += z_x  # in place: with many rows, new arrays take as long as the arithmetic
    z += b
    if p is None:
        H = a_.shape[-1]
        u, f, o = columns(sigmoid(z[..., : 3 * H]), 3)  # in one call: at one row the calls are what takes the time
        g = np.tanh(z[..., 3 * H :])
        c = f * c_
        c += u * g
    else:
        z_u, z_f, z_o, z_g = columns(z, 4)
        u, f, g = sigmoid(z_u + p[0] * c_), sigmoid(z_f + p[1] * c_), np.tanh(z_g)
        c = u * g + f * c_
        o = sigmoid(z_o + p[2] * c)
    a = np.tanh(c)
    a *= o
    return a, c, (u, f, o, g, c)


def lstm_step_back(da, dc, a_, c_, gates, W_a, p):
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


def window_step(z_x, b):
    """a = tanh(W_1 x⟨t⟩ + … + W_n x⟨t-n+1⟩ + b)"""
    return np.tanh(z_x + b)


def window_step_back(da, a):
    return da * (1 - a * a)


STEPS = {
    "rnn": (rnn_step, rnn_step_back),
    "gru": (gru_step, gru_step_back),
    "lstm": (lstm_step, lstm_step_back),
    "peephole": (lstm_step, lstm_step_back),
    "feedforward": (window_step, window_step_back),
}


class Reference:
    """A network for ``rows`` sequences side by side; ``reference_of`` makes the one that an architecture asks for.
    parameters: (P), float32 or float64."""

    def __init__(self, architecture: Architecture, parameters: np.ndarray, rows: int = 1):
        self.architecture, self.parameters = architecture, parameters
        self.named = views(architecture, parameters)
        self.forward_step, self.backward_step = STEPS[architecture.cell]
        self.W_ya = self.named["E"].T if architecture.tied else self.named["W_ya"]
        self.weights = [self._weights(layer) for layer in range(1, architecture.layers + 1)]
        self.reset(rows)

    def reset(self, rows: int) -> None:
        """Begin anew with the zero state."""
        zero = np.zeros((rows, self.architecture.hidden), self.parameters.dtype)
        has_c = CELLS[self.architecture.cell].has_c
        self.state = [(zero, zero if has_c else zero[:, :0]) for _ in range(self.architecture.layers)]

    def _weights(self, layer):
        name = f"layer{layer}."
        return tuple(self.named.get(name + kind) for kind in ("W_x", "W_a", "b", "p"))

    def step(self, tokens: np.ndarray) -> np.ndarray:
        """Logits (N, V) for the token after ``tokens`` (N); the state goes on by one step.

        Everything may have an axis more: of tokens (N, 1) and states (N, 1, H) each row is multiplied on its own.
        """
        return self._step(tokens)[0]

    def _step(self, tokens):
        x = self.named["E"][tokens] if self.architecture.embedding else None
        kept = []
        for layer, (a_, c_) in enumerate(self.state):
            W_x, W_a, b, p = self.weights[layer]
            z_x = W_x.take(tokens, 0) if x is None else x @ W_x
            a, c, gates = self.forward_step(z_x, a_, c_, W_a, b, p)
            self.state[layer] = a, c
            kept.append((x, a_, c_, gates))
            x = a
        return x @ self.W_ya + self.named["b_y"], (x, kept)

    def forward(self, tokens: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """-log ŷ of every target, (T, N), 0 where there is none (-1); the state is carried on. tokens, targets: (T,
        N)."""
        return np.stack([cross_entropy(self.step(now), wanted) for now, wanted in zip(tokens, targets, strict=True)])

    def loss_and_gradient(self, tokens, targets, scale: float, unknown: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """(nats (T, N), gradient (P) of scale · their sum) by backpropagation through the T steps of this window.

        With ``unknown`` that share of every target is given to <UNK>, in the gradient only, as in
        ``kernels/softmax.py``.
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
            self._step_back(now, kept, d_logits @ self.W_ya.T, d_state, d)
        return np.stack(nats), gradient

    def _step_back(self, now, kept, above, d_state, d):
        """Adds a step's part to the gradients of the layers and of E, in ``d``. above: by what the last layer gave;
        d_state: by each layer's a and c, from the step after to the one before."""
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


class WindowReference(Reference):
    """The standard network. Its state are the last n-1 tokens, (N, n-1): 1 + their ids, 0 for nothing."""

    def reset(self, rows: int) -> None:
        past = np.zeros((rows, self.architecture.context - 1), self.parameters.dtype)
        self.state = [(past, past[:, :0])]

    def _step(self, tokens):
        ((past, nothing),) = self.state
        seen = np.concatenate((past, 1 + tokens[..., None]), axis=-1)
        self.state = [(seen[..., 1:].astype(past.dtype), nothing)]
        ids = seen[..., ::-1].astype(int) - 1  # those of x⟨t⟩, x⟨t-1⟩, …
        x = rows_of(self.named["E"], ids).reshape(*tokens.shape, -1) if self.architecture.embedding else None
        kept = [ids]
        for W_x, _, b, _ in self.weights:
            z_x = rows_of(W_x, self._in_table(ids)).sum(-2) if x is None else x @ W_x
            a = self.forward_step(z_x, b)
            kept.append((x, a))
            x = a
        return x @ self.W_ya + self.named["b_y"], (x, kept)

    def _in_table(self, ids):
        """The rows of W_x that tokens take in their places, -1 for none."""
        V, n = self.architecture.vocabulary_size, self.architecture.context
        return np.where(ids < 0, -1, ids + V * np.arange(n))

    def _step_back(self, now, kept, above, d_state, d):
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
    """The rows that ids name, of zeros for -1: (…, columns)."""
    rows = table[ids]
    rows[ids < 0] = 0
    return rows


def add_to_rows(table: np.ndarray, ids: np.ndarray, values: np.ndarray) -> None:
    """Adds values (…, columns) to the rows that ids name, in order; none for -1."""
    there = ids >= 0
    np.add.at(table, ids[there], np.broadcast_to(values, (*ids.shape, values.shape[-1]))[there])


def reference_of(architecture: Architecture, parameters: np.ndarray, rows: int = 1) -> Reference:
    """The plain network of an architecture."""
    return (WindowReference if architecture.context else Reference)(architecture, parameters, rows)


def softmax(logits: np.ndarray) -> np.ndarray:
    """exp(x) / Σ exp(x) over the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """log softmax over the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """-log softmax(logits)[target], (N), 0 where the target is -1. logits: (N, V); targets: (N)."""
    nats = -np.take_along_axis(log_softmax(logits), np.maximum(targets, 0)[:, None], axis=1)[:, 0]
    return np.where(targets >= 0, nats, 0)
