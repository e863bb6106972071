"""What a model file records of its training: from which text, with which settings, how far, with what losses."""

from dataclasses import asdict
from typing import Any

from ..text.corpus import Corpus
from .control import held_out_losses
from .settings import Settings
from .state import TrainingState

IF_GIVEN = ("freeze", "shards", "local_updates", "noise")  # settings that are recorded where they are not the default
MOST_POINTS = 64  # of the curve of the training loss


def training_record(trainer: Any) -> dict:
    """Plain JSON values. trainer: a ``loop.Trainer``.

    The record has the identity of the training, with the progress (0…1), only while the training is unfinished: so a
    resumed training knows the file that it has written itself, and one seed gives the same bytes at the end.
    """
    corpus, state, also = trainer.corpus, trainer.state, trainer.also
    ancestry = trainer.base.ancestry if trainer.base else []
    unfinished = {} if state.finished else {"unfinished": {"id": trainer.identity, "progress": state.progress}}
    settings = {
        name: value
        for name, value in asdict(trainer.settings).items()
        if name not in IF_GIVEN or value != getattr(Settings, name)
    }
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
        "curve": _curve(state),
        **({"alone": dict(zip(("network", "ngrams"), state.best_alone, strict=True))} if state.best_alone else {}),
        **({"ancestry": ancestry, "base_loss": state.base_loss} if ancestry else {}),
        **({"also_valid": _also_valid(also, state)} if also else {}),
    }


def _curve(state: TrainingState) -> dict[str, list]:
    """The losses for a picture of the whole training: [update, loss] at some points of the training loss, and at each
    evaluation or sample of the held-out part."""
    training = [[stop, round(nats / tokens, 4)] for stop, tokens, nats in state.losses]
    while len(training) > MOST_POINTS:
        training = [training[0], *training[1:-1:2], training[-1]]
    return {"training": training, "held_out": [[step, round(loss, 4)] for step, loss in held_out_losses(state)]}


def _also_valid(corpus: Any, state: TrainingState) -> dict:
    """The losses on the text of --also-valid, in nats per token."""
    facts = {"names": list(corpus.names), "sha256": corpus.digest, "held_out_tokens": len(corpus.held_out)}
    return facts | {"before": state.also_before, "after": state.also_after}
