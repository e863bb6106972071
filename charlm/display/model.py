"""The lines that tell a person about a model: its network, and the contents of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..score import exp
from ..text.visible import visible
from ..text.vocabulary import UNITS

if TYPE_CHECKING:
    from ..model import Model
    from ..network.architecture import Architecture


def number_of(number: int, noun: str) -> str:
    """A number and its noun: 1 line, 2 lines."""
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def network(a: Architecture) -> str:
    """An architecture in words, on one line."""
    entry = f"embedding of {a.embedding}{', tied' if a.tied else ''}" if a.embedding else "one-hot input"
    layers = f"{number_of(a.layers, 'layer')} of {a.hidden}{', bidirectional' if a.bidirectional else ''}"
    entry += f", {number_of(a.outputs, 'output')}" if a.outputs else ""
    cell = f"{a.cell} of {number_of(a.context, 'token')}" if a.context else a.cell
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
            f"{number_of(len(v), UNITS[v.level])} with <EOS> and <UNK>: {symbols}{'…' if len(v.symbols) > 8 else ''}",
        ),
    ]
    try:
        rows += _training_rows(model.training, model.task.unit(v.level))
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


def _training_rows(training: dict, unit: str) -> list[tuple[str, str]]:
    """The record of the training. unit: of its losses and numbers, as ``Task.unit``."""
    rows = []
    corpus, settings = training.get("corpus"), training.get("settings")
    if corpus:
        rows += [
            (
                "trained on",
                f"{', '.join(corpus['names'])}: {number_of(corpus['bytes'], 'byte')}, "
                f"{number_of(corpus['train_tokens'], unit)} for training, {corpus['held_out_tokens']:,} held out",
            ),
            ("SHA-256", f"{corpus['sha256']}"),
        ]
    if settings:
        rows += [("settings", ", ".join(_settings(settings)))]
    if training.get("step"):
        rows += [("trained for", f"{number_of(training['step'], 'update')}, {number_of(training['tokens'], unit)}")]
    if training.get("valid_loss") is not None:
        perplexity = exp(training["valid_loss"])
        digits = f"{perplexity:#.4g}" if perplexity < 1000 else f"{perplexity:,.0f}"
        rows += [("held-out loss", f"{training['valid_loss']:.4f} nats per {unit}, perplexity {digits}")]
    return rows


def _settings(settings: dict) -> list[str]:
    """The settings that have a value, each with its name. By the clock, ``epochs`` was a first estimate only."""
    shown = {name: value for name, value in settings.items() if value is not None}
    if shown.get("rows") == shown.get("batch"):
        shown.pop("rows", None)
    names = {"epochs": "planned epochs"} if "minutes" in shown else {}
    return [
        f"{names.get(name, name)} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in shown.items()
    ]
