"""What a training says that goes on with a model: what is new, what the model gave before, and what it has
forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..tasks.summary import number_of
from ..text.columns import beginnings
from ..text.reading import listed

if TYPE_CHECKING:
    from .run import Run


def before_lines(run: Run) -> list[str]:
    """What is added to the model, what does not learn, and its loss before the first update."""
    trainer = run.trainer
    base, task, also, state = trainer.base, trainer.task, trainer.also, trainer.state
    lines = []
    if base and not base.is_resumed:
        symbols = trainer.corpus.vocabulary.new_since(base.model.vocabulary)
        new = {"symbols": [symbol if isinstance(symbol, str) else bytes([symbol]) for symbol in symbols]}
        for what in ("labels", "tags"):
            new[what] = getattr(task, what, ())[len(getattr(base.model.task, what, ())) :]
        lines += [f"new {what}: {len(found):,} ({beginnings(found)})" for what, found in new.items() if found]
        if trainer.settings.freeze:
            layers = number_of(trainer.settings.freeze, "lower layer")
            why = ", so that the new symbols share one input" if new["symbols"] else ""
            lines.append(f"frozen: {layers} and the input do not learn{why}")
    if also:
        lines += also.notes
    losses = [(state.base_loss, "the held-out text")]
    losses += [(state.also_before, listed(also.names))] if also else []
    measured = [f"{_loss(loss, run)} on {text}" for loss, text in losses if loss is not None]
    return [*lines, f"{_name(run)} has a loss of {', and of '.join(measured)}"] if measured else lines


def after_lines(run: Run) -> list[str]:
    """The losses after the training beside those before it."""
    trainer = run.trainer
    state, lines = trainer.state, []
    if state.base_loss is not None:
        lines.append(f"{_name(run)} had {_loss(state.base_loss, run)} before{_no_gain(run)}")
    if state.also_before is not None and state.also_after is not None:
        more = state.also_after - state.also_before
        what = f"it has forgotten {more:.4f}" if more > 0 else f"it has learnt {-more:.4f} about it too"
        losses = f"{state.also_before:.4f} and has {_loss(state.also_after, run)}"
        lines.append(f"on {listed(trainer.also.names)} it had {losses}: {what}")
    return lines


def _no_gain(run: Run) -> str:
    """Words that follow the loss before where the kept model is not better, or where no update made it so; else ""."""
    trainer = run.trainer
    has_learnt = trainer.best_loss < trainer.state.history[0][2]  # which was measured before the first update
    before, after = round(trainer.state.base_loss, 4), round(trainer.best_loss, 4)
    texts = "both texts" if trainer.base.order else "the new text"
    if after < before:
        return "" if has_learnt else f": the counts of {texts} lowered it, no update did"
    verdict = "it was better on this text" if after > before else "it has become no better"
    network = f"its network as it was{f', with counts of {texts}' if trainer.ngrams else ''}"
    return f", and {verdict}: charlm kept {'the best model of this training' if has_learnt else network}"


def _name(run: Run) -> str:
    """The name of the model that the training goes on with."""
    return str(run.trainer.base.ancestry[0]["name"])


def _loss(loss: float, run: Run) -> str:
    return f"{loss:.4f} nats per {run.unit}"
