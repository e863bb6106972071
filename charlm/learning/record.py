"""What a model file records of its training: from which text, with which settings, how far, with what losses."""

from dataclasses import asdict
from typing import Any

from ..text.corpus import Corpus
from .state import TrainingState


def training_record(trainer: Any) -> dict:
    """Plain JSON values. trainer: a ``loop.Trainer``.

    The record has the identity of the training, with the progress (0…1), only while the training is unfinished: so a
    resumed training knows the file that it has written itself, and one seed gives the same bytes at the end.
    """
    corpus, state, also = trainer.corpus, trainer.state, trainer.also
    ancestry = trainer.base.ancestry if trainer.base else []
    unfinished = {} if state.finished else {"unfinished": {"id": trainer.identity, "progress": state.progress}}
    settings = {name: value for name, value in asdict(trainer.settings).items() if name != "freeze" or value}
    return unfinished | {
        "settings": settings | {"rows": trainer.rows, "dropout": state.dropout},
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
        **({"ancestry": ancestry, "base_loss": state.base_loss} if ancestry else {}),
        **({"also_valid": _also_valid(also, state)} if also else {}),
    }


def _also_valid(corpus: Any, state: TrainingState) -> dict:
    """The losses on the text of --also-valid, in nats per token."""
    facts = {"names": list(corpus.names), "sha256": corpus.digest, "held_out_tokens": len(corpus.held_out)}
    return facts | {"before": state.also_before, "after": state.also_after}
