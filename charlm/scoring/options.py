"""The options of scoring, as ``charlm perplexity`` and ``charlm.perplexity`` take them."""

from ..options import ENCODING, PRECISIONS, THREADS, Option, by_name
from ..score import PER_NAT

RATE = 0.002  # at which the network learns, if nobody says: docs/guide/perplexity.md has the rates that were tried

SCORING = (
    Option(
        "adapt",
        float,
        "Let the model keep learning from the text as it scores it: the network, n-grams of the text, and how much "
        f"each counts. A number is the learning rate of the network, {RATE} without one. The model file does not "
        "change.",
        default_in_words="no learning",
        alone=RATE,
        least=0,
        above_least=True,
        most=1,
        metavar="[RATE]",
    ),
    Option(
        "precision",
        str,
        "The number format of the matrix products: bf16 is faster on processors with AVX512-BF16, and less exact.",
        default="float32",
        choices=PRECISIONS,
    ),
    ENCODING,
    THREADS,
)
BY_NAME = by_name(SCORING)
UNIT = Option(
    "unit",
    str,
    "The unit of figures that are logarithms of probabilities. The columns are named after it.",
    default="nats",
    choices=tuple(PER_NAT),
)
