"""How much arithmetic a network takes, and how many tokens an evaluation may score for it."""

from .architecture import Architecture
from .cells import CELLS

# An evaluation may take about so much of the minutes, if the machine scores so many multiply-adds per second. A resumed
# training must evaluate on the same tokens, so this is no measured speed.
EVALUATION, EVALUATED_PER_SECOND = 0.1, 1e10
LEAST_EVALUATED = 8192  # tokens that are evaluated however long that takes


def recurrent_weights(architecture: Architecture) -> int:
    """The weights of all layers, without those of one-hot input, of which a token uses one row."""
    sizes, cell = architecture, CELLS[architecture.cell]
    return (sizes.layers * cell.recurrent_columns + (sizes.layers - 1) * cell.input_columns) * sizes.hidden**2


def multiply_adds(architecture: Architecture, samples: int | None = None) -> int:
    """Multiply-adds of one token's update: three products (forward, gradient with respect to the input, gradient with
    respect to the weights) for each weight. One-hot input selects a row instead; a feed-forward network adds up the
    rows of its context, forward and backward. samples: how many outputs an update computes, 0 or None for
    all."""
    sizes, cell = architecture, CELLS[architecture.cell]
    positions = sizes.context or 1
    added = 2 * positions * sizes.hidden if sizes.context and not sizes.embedding else 0
    outputs = min(samples or sizes.vocabulary_size, sizes.vocabulary_size)
    dense = sizes.embedding * positions * cell.input_columns * sizes.hidden + sizes.hidden * outputs
    return 3 * (recurrent_weights(sizes) + dense) + added


def evaluated_tokens(minutes: float, architecture: Architecture) -> int:
    """The most held-out tokens to evaluate a network on: with a large vocabulary, scoring more of them would take a
    short training's time. Scoring a token needs one of the three products of an update."""
    each = multiply_adds(architecture) / 3
    return max(LEAST_EVALUATED, round(EVALUATION * 60 * minutes * EVALUATED_PER_SECOND / each))
