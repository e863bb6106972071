"""What a model file records of its training: from which text, with which settings, how far, with what losses."""

from dataclasses import asdict

from ..text.corpus import Corpus
from .settings import Settings
from .state import TrainingState


def training_record(corpus: Corpus, settings: Settings, rows: int, state: TrainingState, identity: str) -> dict:
    """Plain JSON values. rows: how many rows the trainer makes of ``settings.batch``.

    identity: of the training. The record has it, with the progress (0…1), only while the training is unfinished: so a
    resumed training knows the file that it has written itself, and one seed gives the same bytes at the end.
    """
    unfinished = {} if state.finished else {"unfinished": {"id": identity, "progress": state.progress}}
    return unfinished | {
        "settings": asdict(settings) | {"rows": rows, "dropout": state.dropout},
        "corpus": {
            "names": list(corpus.names),
            "sha256": corpus.digest,
            "bytes": corpus.size,
            "train_tokens": len(corpus.train),
            "held_out_tokens": len(corpus.held_out),
            "unknown_share": corpus.unknown_rate,
            **({"held_out_unknown_share": corpus.evaluated_unknown_share} if isinstance(corpus, Corpus) else {}),
        },
        "step": state.step,
        "tokens": state.tokens,
        "valid_loss": state.best_loss,
        "history": state.history,
        **({"alone": dict(zip(("network", "ngrams"), state.best_alone, strict=True))} if state.best_alone else {}),
    }
