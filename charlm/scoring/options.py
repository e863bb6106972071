"""The options of scoring, as ``charlm perplexity`` and ``charlm.perplexity`` take them."""

from ..options import ENCODING, PRECISIONS, THREADS, Option, by_name

SCORING = (
    Option(
        "adapt",
        float,
        "Let the model keep learning from the text as it scores it, at this learning rate (for example 0.0008). The "
        "model file does not change.",
        default_in_words="no learning",
        least=0,
        above_least=True,
        most=1,
        metavar="RATE",
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
