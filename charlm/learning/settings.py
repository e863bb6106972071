"""The settings of the training loop, checked once."""

from dataclasses import dataclass, fields

from ..errors import UsageError
from .options import BY_NAME


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train. Raises UsageError for values that make no sense.

    epochs: passes over the training part; with ``minutes`` a first estimate. batch: rows (pieces of the stream, or
    lines) that are trained in parallel. steps: tokens of a row in one window, over which the gradient is computed.
    lr: the highest learning rate. clip: largest norm of the gradient of the mean loss, 0 for no limit. dropout: the
    rate at which each update drops units of the layers; None for a rate that starts at 0 and follows the losses (see
    ``control.followed_dropout``). schedule: how the learning rate falls. seed: of everything random. minutes: the time
    that the training may take, None where ``epochs`` decides. precision: float32 or bf16, in which an update multiplies
    matrices; all else is float32. ngrams: the order of the n-grams that predict together with the network, 0 for none.
    max_ngrams: how many are kept at most, None for as many as fit the network's size. freeze: how many lower layers do
    not learn. shards: how many fixed parts the rows of a batch are dealt to. local_updates: how many updates each shard
    makes as a worker of its own, with ``batch`` rows, before an exchange; None for an exchange in each update.
    softmax_samples: how many outputs an update computes besides its targets, on average; 0 or None for all. store:
    float32 or float16, of the finished model's weights in its file. noise: in training, added to vectors at random; see
    ``vectors.sequences.noisy``.
    """

    epochs: float = 10.0
    batch: int = 50
    steps: int = 50
    lr: float = 0.01
    clip: float = 0.2
    dropout: float | None = 0.0
    schedule: str = "cosine"
    seed: int = 1
    minutes: float | None = None
    precision: str = "float32"
    ngrams: int = 0
    max_ngrams: int | None = None
    freeze: int = 0
    shards: int = 1
    local_updates: int | None = None
    softmax_samples: int | None = None
    store: str = "float32"
    noise: float = 0.0

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:  # which the table takes for its own default
                object.__setattr__(self, field.name, BY_NAME[field.name].check(value))
        if self.local_updates and self.shards == 1:
            raise UsageError("--local-updates lets each shard train on its own: give more than one, such as --shards 8")
