"""Compiling before training: the one place that calls every kernel of a training for the first time.

Compiling takes seconds, and only the first run on a machine compiles. So it is timed apart: it counts neither against
the minutes of a training nor into the measured speed of the machine.
"""

from collections.abc import Callable

import numpy as np

from ..kernels.ahead import compile_and_call
from ..kernels.compiling import CompileTimer, OnCompile
from ..network.architecture import Architecture
from ..network.dropout import Dropout
from ..network.mixed_window import read_once
from ..network.protocols import Network, Optimizer
from ..network.sampled_softmax import OutputSampling
from ..network.sharding import Shards
from ..network.threads import ThreadPool, available_threads
from ..ranks import Ranks
from ..tasks import Task


def prepare(
    task: Task,
    architecture: Architecture,
    *,
    precision: str,
    dropout: float | None,
    ngrams: bool,
    new_optimizer: Callable[[Network], Optimizer],
    on_compile: OnCompile | None = None,
    ranks: Ranks | None = None,
    shards: int = 1,
    sampled: bool = False,
) -> float:
    """Compile the kernels that a training calls, or load them from the cache, with a network of the same kind and
    width 2. Returns the seconds in which kernels were compiled: 0 where all are in the cache.

    dropout: the rate of the training, or None where it is not known yet; with 0 the kernels of dropout are left out.
    ngrams: the network predicts together with n-grams. on_compile: see ``CompileTimer``. ranks: those of a job, of
    which the first one on each machine compiles, and the others load what it has compiled. shards: how many this
    process has. sampled: updates compute a sample of the outputs.
    """
    ranks = ranks or Ranks()
    if not ranks.is_first_here:
        ranks.meet()
    small, pool = architecture.small(), ThreadPool(1)

    def everything():
        network = task.network(small, np.zeros(small.number_of_parameters, np.float32), pool, 0.1)
        network.shard(shards)
        batch = Shards(shards).of(task.small_batch())
        window = task.window(network, 1, shards, training=True)
        if sampled:
            network.sample(OutputSampling(np.ones(small.output_size), small.output_size).sample(0, batch.targets))
        network.pack(for_training=True, precision=precision)
        window.train(batch, 1.0, None if dropout == 0 else Dropout(0.1, 0))
        network.pack(for_training=False)  # the held-out part is scored in float32
        window.losses(batch)
        new_optimizer(network).update(0.0)
        if ngrams:
            read_once(network)

    with CompileTimer(on_compile) as timer:
        compile_and_call(everything, timer, available_threads())
    if ranks.is_first_here:
        ranks.meet()
    return timer.seconds
