"""The lines that tell a person about a model: its network, and the contents of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..score import exp
from ..text.visible import visible
from ..text.vocabulary import UNITS

if TYPE_CHECKING:
    from ..model import Model
    from ..network.architecture import Architecture


def network(a: Architecture) -> str:
    """An architecture in words, on one line."""
    entry = f"embedding of {a.embedding}{', tied' if a.tied else ''}" if a.embedding else "one-hot input"
    layers = (
        f"{a.layers} layer{'s' if a.layers > 1 else ''} of {a.hidden}{', bidirectional' if a.bidirectional else ''}"
    )
    entry += f", {a.outputs:,} outputs" if a.outputs else ""
    cell = f"{a.cell} of {a.context} token{'s' if a.context > 1 else ''}" if a.context else a.cell
    return f"{cell}, {layers}, {entry}: {a.number_of_parameters:,} parameters"


def info_lines(model: Model, path, size: int) -> list[str]:
    """The contents of a model file, as a table. size: of the file, in bytes."""
    a, v = model.architecture, model.vocabulary
    symbols = "".join(map(str, v.symbols[:60])) if v.level == "char" else " ".join(map(repr, v.symbols[:8]))
    rows = [
        ("file", f"{path}, {size:,} bytes"),
        ("network", network(a)),
        ("text", "lines, each a sequence on its own" if model.lines else "one stream"),
        ("task", model.task.description()),
        (
            "vocabulary",
            f"{len(v):,} {UNITS[v.level]}s with <EOS> and <UNK>: {symbols}{'…' if len(v.symbols) > 8 else ''}",
        ),
    ]
    try:
        rows += _training_rows(model.training)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):  # another program wrote the file
        rows += [("training", "the file's record of it makes no sense")]
    rows += _novelty_rows(model)
    return [f"{name:<14} {visible(value)}" for name, value in rows]


def _novelty_rows(model: Model) -> list[tuple[str, str]]:
    """What the model recognises of its training text, and how often it takes new text for training text."""
    novelty = model.novelty
    if not novelty:
        return [("known lines", "none: the model file has no record of its training text")]
    unit = "bytes" if novelty.in_bytes else "characters"
    lines = f"every line of the training text; false positives {_percent(novelty.line_rate)}"
    runs = f"every run of {novelty.shortest_run:,} {unit} or more; false positives {_percent(novelty.run_rate)}"
    if novelty.window > 1:
        runs += (
            f"; the text is large, so one in {novelty.window:,} neighbouring runs of {novelty.run} is kept, "
            f"and a copied run may look up to {2 * (novelty.window - 1):,} {unit} longer than it is"
        )
    if not len(novelty.runs.bits):
        runs = f"none: the training text has no run of {novelty.run} {unit}"
    return [
        ("known lines", f"{lines} ({len(novelty.lines.bits):,} bytes)"),
        ("known runs", f"{runs} ({len(novelty.runs.bits):,} bytes)"),
    ]


def _percent(rate: float) -> str:
    return f"{100 * rate:.2g} %"


def _training_rows(training: dict) -> list[tuple[str, str]]:
    rows = []
    corpus, settings = training.get("corpus"), training.get("settings")
    if corpus:
        rows += [
            (
                "trained on",
                f"{', '.join(corpus['names'])}: {corpus['bytes']:,} bytes, {corpus['train_tokens']:,} tokens for "
                f"training, {corpus['held_out_tokens']:,} held out",
            ),
            ("SHA-256", f"{corpus['sha256']}"),
        ]
    if settings:
        rows += [
            (
                "settings",
                ", ".join(
                    f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
                    for name, value in settings.items()
                ),
            )
        ]
    if training.get("step"):
        updates = f"{training['step']:,} update{'s' if training['step'] != 1 else ''}"
        rows += [("trained for", f"{updates}, {training['tokens']:,} tokens")]
    if training.get("valid_loss") is not None:
        rows += [
            (
                "held-out loss",
                f"{training['valid_loss']:.4f} nats per token, perplexity {exp(training['valid_loss']):.3f}",
            )
        ]
    return rows
