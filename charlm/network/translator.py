"""An encoder and a decoder (Cho et al., 2014; Sutskever, Vinyals and Le, 2014): one stack reads the source; the other
starts from a linear map of the source's summary, and writes the target.

    s = the output of the encoder's last layer after the whole source, (N, S)
    the decoder's states before its first step, a and c of each layer in one row: s W_s + b_s
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..text.batches import PairBatch
from ..text.vocabulary import EOS, UNKNOWN
from .architecture import Translation
from .dropout import Dropout
from .head import softmax_head
from .products import Product, aligned
from .sequences import Windows, pad_rows
from .stack import Stack
from .threads import ThreadPool


class Translator:
    """The two stacks and the map between them, as one network; see ``protocols.Network``.

    unknown: the fraction of each target's probability that training gives to <UNK> instead (label smoothing towards
    <UNK>).
    """

    def __init__(self, architecture: Translation, parameters: np.ndarray, pool: ThreadPool, unknown: float = 0.0):
        self.architecture, self.parameters, self.pool = architecture, parameters, pool
        self.gradient = np.zeros_like(parameters)
        start = architecture.encoder.number_of_parameters
        stop = parameters.size - architecture.decoder.number_of_parameters
        parts = [(vector[:start], vector[start:stop], vector[stop:]) for vector in (parameters, self.gradient)]
        (encoder, between, decoder), (d_encoder, d_between, d_decoder) = parts
        self.encoder = Stack(architecture.encoder, encoder, pool, gradient=d_encoder, at_end=True)
        head = partial(softmax_head, unknown=unknown)
        self.decoder = Stack(architecture.decoder, decoder, pool, head=head, gradient=d_decoder)
        shape = architecture.shapes()["W_s"]
        (W, self.b), (dW, self.db) = (np.split(vector, [math.prod(shape)]) for vector in (between, d_between))
        self.map = Product(W.reshape(shape), dW.reshape(shape))
        self.shards = 1

    def freeze(self, layers: int) -> None:
        """See ``protocols.Network.freeze``: the lower layers of the encoder and of the decoder."""
        self.encoder.freeze(layers)
        self.decoder.freeze(layers, is_lowest=False)

    def shard(self, shards: int) -> None:
        """See ``protocols.Network.shard``."""
        self.shards = shards
        self.encoder.shard(shards)
        self.decoder.shard(shards)

    def pack(self, *, for_training: bool, precision: str = "float32") -> None:
        """Copy the weights into the order in which the kernels read them; see ``protocols.Network.pack``."""
        self.encoder.pack(for_training=for_training, precision=precision)
        self.decoder.pack(for_training=for_training, precision=precision)
        self.pool.run(self.map.packing(self.pool, for_training, precision))


class TranslatorWindows:
    """The arrays of a translator for whole pairs; see ``protocols.SequenceWindow``. rows: the most pairs in a batch."""

    state = ()

    def __init__(self, network: Translator, rows: int, training: bool = False):
        self.network = network
        self.encoders = Windows(network.encoder, rows, training)
        self.decoders = Windows(network.decoder, rows, training)

    def _mapped(self, s):
        """s W_s: (1, N, S) → (1, N, states)."""
        network = self.network
        result = aligned((1, s.shape[1], network.map.columns), s.dtype)
        network.pool.run(
            network.pool.split(s.shape[1], lambda start, stop: network.map.forward(s, result, start, stop))
        )
        return result

    def _mapped_back(self, d_start):
        """d_start W_sᵀ: (1, N, states) → (1, N, S)."""
        network = self.network
        result = aligned((1, d_start.shape[1], network.map.depth), d_start.dtype)
        network.pool.run(
            network.pool.split(d_start.shape[1], lambda start, stop: network.map.backward(d_start, result, start, stop))
        )
        return result

    def _read(self, batch, drop=None):
        """The encoder's summary s (1, N, S), its backward pass, and the decoder's first states (1, N, states)."""
        s, backward = self.encoders.summaries(batch.sources, batch.source_lengths, drop)
        return s[None], backward, self._mapped(s[None]) + self.network.b

    def _set_state(self, window, states):
        """Start the decoder from these states. states: (≤ N, states)."""
        H = self.network.architecture.hidden
        for number, state in enumerate(window.state):
            state[: len(states)] = states[:, number * H : (number + 1) * H]

    def _decoder(self, batch, states):
        window = self.decoders.of(len(batch.inputs), batch.inputs.shape[1])
        self._set_state(window, states[0])
        return window, pad_rows(batch.inputs, window.rows, 0), pad_rows(batch.targets, window.rows, -1)

    def forward(self, batch: PairBatch) -> tuple[np.ndarray, np.ndarray]:
        _, _, states = self._read(batch)
        window, inputs, targets = self._decoder(batch, states)
        nats = window.forward(inputs, targets)
        steps, rows = batch.inputs.shape
        return nats[:, :rows], window.probabilities[:steps, :rows]

    def losses(self, batch: PairBatch) -> np.ndarray:
        return self.forward(batch)[0]

    def train(self, batch: PairBatch, scale: float, drop: Dropout | None) -> np.ndarray:
        network, pool = self.network, self.network.pool
        s, backward, states = self._read(batch, drop)
        decoder, inputs, targets = self._decoder(batch, states)
        nats = decoder.forward_backward(inputs, targets, scale, drop and drop.another())
        d_states = np.concatenate(decoder.d_state, axis=1)[None]
        pool.run(network.map.gradient(pool, s, d_states, network.db, network.shards))
        backward(self._mapped_back(d_states)[0])
        return nats[:, : batch.inputs.shape[1]]

    def write(self, sources, lengths, beam: int, most: int) -> list[tuple[list[int], float]]:
        """For each source the most likely target that a beam search finds: its ids without <EOS>, and its
        log-probability. The search rejects <UNK>.

        sources: (S, N); lengths: (N). beam: how many targets the search keeps per source; most: tokens of a target.
        """
        _, _, states = self._read(PairBatch(sources, sources, True, lengths, sources=sources, source_lengths=lengths))
        N, rows = len(lengths), len(lengths) * beam
        window = self.decoders.of(1, rows)
        self._set_state(window, np.repeat(states[0, :N], beam, axis=0))
        search, no_targets = Beams.begin(N, beam), np.full((1, window.rows), -1, np.int32)
        for _ in range(most):
            inputs = search.tokens.reshape(1, rows).astype(np.int32)
            window.forward(pad_rows(inputs, window.rows, 0), no_targets)
            kept = search.advance(window.probabilities[0, :rows].astype(np.float64))
            for state in window.state:
                state[:rows] = state[:rows][kept]
            if search.done[:, 0].all():
                break
        return [
            (ids[ids != EOS].tolist(), score)
            for ids, score in zip(search.written[:, 0], search.scores[:, 0].tolist(), strict=True)
        ]


@dataclass
class Beams:
    """The targets under way of a beam search, the most likely first: their last tokens (N, beam), scores (N, beam),
    whether they are done (N, beam), and all their tokens (N, beam, t)."""

    tokens: np.ndarray
    scores: np.ndarray
    done: np.ndarray
    written: np.ndarray

    @classmethod
    def begin(cls, sources: int, beam: int) -> "Beams":
        """One empty target per source; the others have no probability yet."""
        scores = np.full((sources, beam), -np.inf)
        scores[:, 0] = 0
        done, written = np.zeros((sources, beam), bool), np.zeros((sources, beam, 0), np.int64)
        return cls(np.full((sources, beam), EOS), scores, done, written)

    def advance(self, probabilities: np.ndarray) -> np.ndarray:
        """Extend each target by one token. Returns the row that each kept target comes from, (N · beam).

        probabilities: (N · beam, V), of each target's next token.
        """
        N, beam = self.scores.shape
        V = probabilities.shape[1]
        with np.errstate(divide="ignore"):
            logs = np.log(probabilities).reshape(N, beam, V)
        logs[:, :, UNKNOWN] = -np.inf
        logs[self.done] = -np.inf
        logs[self.done, EOS] = 0
        totals = (self.scores[:, :, None] + logs).reshape(N, -1)
        best = largest(totals, beam)
        self.scores = np.take_along_axis(totals, best, 1)
        origin, self.tokens = np.divmod(best, V)
        self.done = np.take_along_axis(self.done, origin, 1) | (self.tokens == EOS)
        written = np.take_along_axis(self.written, origin[:, :, None], 1)
        self.written = np.concatenate((written, self.tokens[:, :, None]), axis=2)
        return (np.arange(N)[:, None] * beam + origin).ravel()


def largest(values: np.ndarray, number: int) -> np.ndarray:
    """The columns of the ``number`` largest values of each row, the largest first: (N, number). values: (N, ≥
    number)."""
    columns = np.sort(np.argpartition(-values, number - 1, axis=1)[:, :number], axis=1)
    order = np.argsort(-np.take_along_axis(values, columns, 1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, 1)
