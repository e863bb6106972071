"""An encoder and a decoder (Cho et al., 2014; Sutskever, Vinyals and Le, 2014): one stack reads the source, the other
begins where a linear map of what the first has read puts it, and writes the target.

    s = what the encoder's last layer gives once it has read the whole source, (N, S)
    the decoder's states before its first step, each layer's a and c side by side: s W_s + b_s
"""

import math

import numpy as np

from ..kernels.tile import multiply
from ..text.batches import PairBatch
from ..text.vocabulary import EOS, UNKNOWN
from .architecture import Translation
from .layers import Dropout
from .products import Product, aligned
from .sequences import Windows, widened
from .stack import Stack
from .threads import ThreadPool


class Translator:
    """The two stacks and the map between them; ``parameters`` and ``gradient`` are flat vectors of all of it, (P)."""

    def __init__(self, architecture: Translation, parameters: np.ndarray, pool: ThreadPool, unknown: float = 0.0):
        self.architecture, self.parameters, self.pool = architecture, parameters, pool
        self.gradient = np.zeros_like(parameters)
        first = architecture.encoder.number_of_parameters
        last = parameters.size - architecture.decoder.number_of_parameters
        parts = [(vector[:first], vector[first:last], vector[last:]) for vector in (parameters, self.gradient)]
        (encoder, between, decoder), (d_encoder, d_between, d_decoder) = parts
        self.encoder = Stack(architecture.encoder, encoder, pool, at_end=True, gradient=d_encoder)
        self.decoder = Stack(architecture.decoder, decoder, pool, unknown, gradient=d_decoder)
        shape = architecture.shapes()["W_s"]
        (W, self.b), (dW, self.db) = (np.split(vector, [math.prod(shape)]) for vector in (between, d_between))
        self.map = Product(W.reshape(shape), dW.reshape(shape))

    def pack(self, for_training: bool, precision: str = "float32") -> None:
        """Bring the weights into the kernels' order, as ``Stack.pack``."""
        self.encoder.pack(for_training, precision)
        self.decoder.pack(for_training, precision)
        self.pool.run(self.map.packing(self.pool, for_training, precision))


class TranslatorWindows:
    """The arrays of a translator for whole pairs. rows: the most that stand side by side."""

    state = ()

    def __init__(self, network: Translator, rows: int, training: bool = False):
        self.network = network
        self.encoders = Windows(network.encoder, rows, training)
        self.decoders = Windows(network.decoder, rows, training)

    def _product(self, rows, columns, packed):
        """rows (1, N, K) times a packed matrix of so many columns: (1, N, columns)."""
        pool, result = self.network.pool, aligned((1, rows.shape[1], columns), rows.dtype)
        depth = rows.shape[2]
        pool.run(
            pool.split(
                rows.shape[1],
                lambda first, last: multiply(rows, 0, depth, packed, result, 0, columns, first, last, False),
            )
        )
        return result

    def _read(self, batch, drop=None):
        """The encoder's summary s (1, N, S), the way back from it, and the decoder's first states (1, N, K)."""
        s, back = self.encoders.summaries(batch.sources, batch.source_lengths, drop)
        start = self._product(s[None], self.network.b.size, self.network.map.forward_packed)
        return s[None], back, start + self.network.b

    def _begin(self, window, start):
        """Put the decoder where it begins. start: (≤ N, K)."""
        H = self.network.architecture.hidden
        for number, state in enumerate(window.state):
            state[: len(start)] = start[:, number * H : (number + 1) * H]

    def _decoder(self, batch, start):
        window = self.decoders.of(*batch.inputs.shape)
        self._begin(window, start[0])
        return window, widened(batch.inputs, window.rows, 0), widened(batch.targets, window.rows, -1)

    def forward(self, batch: PairBatch) -> tuple[np.ndarray, np.ndarray]:
        """-log ŷ of every target (T, N), and all probabilities (T, N, V): views that the next batch overwrites."""
        *_, start = self._read(batch)
        window, inputs, targets = self._decoder(batch, start)
        nats = window.forward(inputs, targets)
        steps, rows = batch.inputs.shape
        return nats[:, :rows], window.probabilities[:steps, :rows]

    def train(self, batch: PairBatch, scale: float, drop: Dropout | None) -> np.ndarray:
        """-log ŷ of every target (T, N), and the gradient of scale · their sum."""
        network, pool = self.network, self.network.pool
        s, back, start = self._read(batch, drop)
        decoder, inputs, targets = self._decoder(batch, start)
        nats = decoder.forward_backward(inputs, targets, scale, drop and drop.another())
        d_start = np.concatenate(decoder.d_state, axis=1)[None]
        pool.run(network.map.gradient(pool, s, d_start, network.db))
        back(self._product(d_start, s.shape[2], network.map.backward_packed)[0])
        return nats[:, : batch.inputs.shape[1]]

    def write(self, sources, lengths, beam: int, most: int) -> list[tuple[list[int], float]]:
        """For each source what is likeliest to follow by a search of ``beam`` width, its ids without <EOS>, and its
        log-probability. What holds <UNK> is refused; most: tokens.

        sources: (S, N); lengths: (N).
        """
        *_, start = self._read(PairBatch(sources, sources, True, lengths, sources=sources, source_lengths=lengths))
        N, V, rows = len(lengths), self.network.decoder.architecture.output_size, len(lengths) * beam
        window = self.decoders.of(1, rows)
        self._begin(window, np.repeat(start[0, :N], beam, axis=0))
        scores = np.full((N, beam), -np.inf)
        scores[:, 0] = 0
        tokens, done = np.full((N, beam), EOS), np.zeros((N, beam), bool)
        written, nothing = np.zeros((N, beam, 0), np.int64), np.full((1, window.rows), -1, np.int32)
        for _ in range(most):
            window.forward(widened(tokens.reshape(1, rows).astype(np.int32), window.rows, 0), nothing)
            with np.errstate(divide="ignore"):
                logs = np.log(window.probabilities[0, :rows].astype(np.float64)).reshape(N, beam, V)
            logs[:, :, UNKNOWN] = -np.inf
            logs[done] = -np.inf
            logs[done, EOS] = 0
            totals = (scores[:, :, None] + logs).reshape(N, -1)
            best = largest(totals, beam)
            scores = np.take_along_axis(totals, best, 1)
            origin, tokens = np.divmod(best, V)
            done = np.take_along_axis(done, origin, 1) | (tokens == EOS)
            written = np.take_along_axis(written, origin[:, :, None], 1)
            written = np.concatenate((written, tokens[:, :, None]), axis=2)
            place = (np.arange(N)[:, None] * beam + origin).ravel()
            for state in window.state:
                state[:rows] = state[:rows][place]
            if done[:, 0].all():
                break
        return [
            (ids[ids != EOS].tolist(), score) for ids, score in zip(written[:, 0], scores[:, 0].tolist(), strict=True)
        ]


def largest(values: np.ndarray, number: int) -> np.ndarray:
    """The places of the ``number`` largest of each row, falling: (N, number). values: (N, ≥ number)."""
    places = np.sort(np.argpartition(-values, number - 1, axis=1)[:, :number], axis=1)
    order = np.argsort(-np.take_along_axis(values, places, 1), axis=1, kind="stable")
    return np.take_along_axis(places, order, 1)
