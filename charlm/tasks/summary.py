"""A model in words: its task, its network, its vocabulary and its training. ``charlm info`` shows them, and
``Model.summary`` gives them to a program.

``model`` is a ``model.Model``, which this module cannot import: the model uses it.
"""

from typing import Any

from ..network.architecture import Architecture
from ..score import exp
from ..text.ngrams import NGrams
from ..text.novelty import Novelty
from ..text.reading import listed
from ..text.visible import visible
from ..text.vocabulary import UNITS, Vocabulary

NAMES = 14  # columns that the names of facts take


def number_of(number: int, noun: str) -> str:
    """A number and its noun: 1 line, 2 lines."""
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def network(a: Architecture) -> str:
    """An architecture in words, on one line."""
    entry = f"embedding of {a.embedding}{', tied' if a.tied else ''}" if a.embedding else "one-hot input"
    if a.channels:
        entry = f"{number_of(a.channels, 'number')} at each step" + (f", {entry} of targets" if a.embedding else "")
    layers = f"{number_of(a.layers, 'layer')} of {a.hidden}{', bidirectional' if a.bidirectional else ''}"
    entry += f", {number_of(a.outputs, 'output')}" if a.outputs else ""
    cell = f"{a.cell} of {number_of(a.context, 'token')}" if a.context else a.cell
    return f"{cell}, {layers}, {entry}: {a.number_of_parameters:,} parameters"


def facts(model: Any) -> list[tuple[str, str]]:
    """(what it is, what it is in words) of each part of a model, control characters made visible."""
    rows = [
        ("task", model.task.description(model.vocabulary.level)),
        ("network", network(model.architecture)),
    ]
    if model.task.name == "text":
        rows.append(("text", _items(model.vocabulary.form.separator) if model.lines else "one long text, one stream"))
    if model.vocabulary.form.normalize != "none":
        rows.append(("normal form", f"{model.vocabulary.form.normalize} (Unicode): of each text that the model reads"))
    if model.task.name == "chords":
        rows.append(("symbols", _symbols(model.vocabulary)))
    elif not model.architecture.channels or model.task.name == "translate":
        rows.append(("vocabulary", _vocabulary(model.vocabulary)))
    if model.mixture:
        rows.append(("n-grams", _ngrams(model.mixture.ngrams, UNITS[model.vocabulary.level])))
    try:
        rows += _training_rows(model)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):  # another program wrote the file
        rows += [("training", "the file's record of it makes no sense")]
    if model.novelty or model.task.name in ("text", "generate"):  # the other tasks do not write new text
        rows += _novelty_rows(model)
    return [(name, visible(value)) for name, value in rows]


def _items(separator: str | None) -> str:
    """What each text of a model of lines is. separator: of its form."""
    if separator is None:
        return "each line is a text of its own"
    lines = f"a line {separator!r}" if separator else "blank lines"
    return f"items of several lines, each a text of its own, separated by {lines}"


def _vocabulary(v: Vocabulary) -> str:
    """The number of symbols, and the first of them: the most frequent ones; of subwords, those that were made first."""
    characters = len(v.symbols) - len(v.merges)
    shown = v.symbols[characters:] if v.merges else v.symbols
    if v.level == "char":
        first, between = shown[:60], ""
    else:
        first, between = shown[:8], " "
    symbols = between.join(map(_symbol, first) if v.level != "char" else first)
    symbols += " …" if len(shown) > len(first) else ""
    if v.merges:
        symbols = f"{number_of(characters, 'character')}, then {symbols}"
    return f"{number_of(len(v), UNITS[v.level])} with <EOS> and <UNK>: {symbols}"


def _symbols(v: Vocabulary) -> str:
    """The number of symbols of a model of sets, and the first of them."""
    return f"{len(v.symbols):,}: {' '.join(v.symbols[:12])}{' …' if len(v.symbols) > 12 else ''}"


def _ngrams(ngrams: NGrams, unit: str) -> str:
    """The counts that predict together with the network."""
    size = sum(array.nbytes for array in ngrams.arrays().values())
    return (
        f"counts of {number_of(len(ngrams) - 1, 'run')} of up to {number_of(ngrams.order, unit)} predict together with "
        f"the network ({size:,} bytes)"
    )


def _symbol(symbol: str | int) -> str:
    """A word, a subword or a byte, in quotes."""
    return repr(symbol) if isinstance(symbol, str) else repr(bytes([symbol]))[1:]


def _novelty_rows(model: Any) -> list[tuple[str, str]]:
    """What the model recognises of its training text, and how often it takes new text for training text."""
    novelty = model.novelty
    if not novelty:
        return [("known lines", "none: the model file has no record of its training text")]
    unit = "bytes" if novelty.in_bytes else "characters"
    texts = _texts_known(model)
    lines = f"every line of the training text{texts}; false positives {_percent(novelty.line_rate)}"
    of_texts = f" of the training text{texts}" if texts else ""
    runs = f"every run of {novelty.surest_run:,} {unit} or more{of_texts}; false positives {_percent(novelty.run_rate)}"
    if novelty.window > 1:
        runs += (
            f"; the text is large, so one in {novelty.window:,} neighbouring runs of {novelty.run} is kept, "
            f"and a copied run may look up to {2 * (novelty.window - 1):,} {unit} longer than it is"
        )
    if not any(len(one.runs.bits) for one in novelty.records):
        runs = f"none: the training text has no run of {novelty.run} {unit}"
    size = sum(len(one.bits) for one in novelty.held_outs)
    known = f"its lines and runs are known too ({size:,} bytes)" if novelty.held_out else "no record of it"
    return [
        ("known lines", f"{lines} ({sum(len(one.lines.bits) for one in novelty.records):,} bytes)"),
        ("known runs", f"{runs} ({sum(len(one.runs.bits) for one in novelty.records):,} bytes)"),
        ("held-out part", known),
        ("may copy", _limit(novelty, model.lines, unit)),
    ]


def _texts_known(model: Any) -> str:
    """What the record knows of the texts of earlier models, as words that follow "the training text"."""
    if earlier := len(model.novelty.earlier):
        return f" and of {number_of(earlier, 'earlier text')}"
    ancestry = model.training.get("ancestry")
    digests = [_digest_of(one) for one in (model.training, *(ancestry if isinstance(ancestry, list) else []))]
    return ", and none of the earlier texts" if any(digest != digests[0] for digest in digests) else ""


def _digest_of(record: Any) -> Any:
    """The SHA-256 of the text in the record of a training, None where the record, by another program, has none."""
    corpus = record.get("corpus") if isinstance(record, dict) else None
    return corpus.get("sha256") if isinstance(corpus, dict) else None


def _limit(novelty: Novelty, lines: bool, unit: str) -> str:
    """The default of --max-copied, and why."""
    limit = novelty.default_limit(lines)
    words = f"up to {limit:,} {unit} in a row, unless --max-copied says otherwise"
    if novelty.squeezed:
        words += "; of several spaces or line ends in a row, and of one symbol in a row, only the first two count"
    if novelty.usual_run > limit:
        words += f"; the text repeats itself even more: its own new lines repeat up to {novelty.usual_run:,}"
    elif novelty.usual_run == limit:
        words += "; nine tenths of the text's own new lines repeat no more"
    return words


def _percent(rate: float) -> str:
    return f"{100 * rate:.2g} %"


def _training_rows(model: Any) -> list[tuple[str, str]]:
    """The record of the training."""
    rows, training = [], model.training
    unit = model.task.unit(model.vocabulary.level)
    corpus, settings = training.get("corpus"), training.get("settings")
    if "imported" in training:
        rows += [("imported from", f"{training['imported']['name']}, SHA-256 {training['imported']['sha256']}")]
    if corpus:
        held_out = f"{corpus['held_out_tokens']:,} held out" if corpus["held_out_tokens"] else "nothing held out"
        rows += [
            (
                "trained on",
                f"{listed(corpus['names'])}: {number_of(corpus['bytes'], 'byte')}, "
                f"{number_of(corpus['train_tokens'], unit)} for training, {held_out}",
            ),
            ("SHA-256", f"{corpus['sha256']}"),
        ]
    rows += _ancestry(training, unit)
    if training.get("step"):
        epochs = f", {_epochs(training['tokens'] / corpus['train_tokens'])}" if corpus else ""
        rows += [
            ("trained for", f"{number_of(training['step'], 'update')}, {number_of(training['tokens'], unit)}{epochs}")
        ]
    if "unfinished" in training:
        rows += [("unfinished", f"{100 * training['unfinished']['progress']:.0f} % of the training was done")]
    if settings:
        rows += [("settings", "; ".join(_settings(settings, model)))]
    if training.get("valid_loss") is not None:
        share = corpus.get("held_out_unknown_share", 0.0) if corpus else 0.0
        unknown = f"; {_percent(share)} of the tokens are <UNK>" if share else ""
        rows += [("held-out loss", _held_out_loss(training["valid_loss"], unit, model) + unknown)]
    if model.store != "float32":
        lost = f": {rounding_in_words(training, unit)}" if "unrounded" in training else ""
        rows += [("stored in", f"{model.store}{lost}")]
    if "alone" in training:
        alone = training["alone"]
        rows += [("each alone", f"the network {alone['network']:.4f}, the n-grams {alone['ngrams']:.4f}")]
    return rows


def _ancestry(training: dict, unit: str) -> list[tuple[str, str]]:
    """The models that this one went on with, the last one first; and the losses before and after."""
    rows = []
    for number, one in enumerate(training.get("ancestry", [])):
        corpus = one.get("corpus")
        words = f"{one['name']} (SHA-256 {one['sha256']})"
        if corpus:
            words += f": trained on {listed(corpus['names'])}, {number_of(corpus['bytes'], 'byte')}"
        if one.get("valid_loss") is not None:
            words += f", held-out loss {one['valid_loss']:.4f}"
        rows.append(("before that" if number else "went on with", words))
    if training.get("base_loss") is not None:
        rows.append(("its loss then", f"{training['base_loss']:.4f} nats per {unit} on the held-out part of this text"))
    also = training.get("also_valid")
    if also and also["after"] is not None:
        losses = f"{also['before']:.4f} nats per {unit} before, {also['after']:.4f} after"
        rows.append(("also measured", f"{listed(also['names'])}: {losses}"))
    return rows


def _held_out_loss(loss: float, unit: str, model: Any) -> str:
    """The loss, for tokens also as perplexity, and what it means."""
    perplexity = exp(loss)
    digits = f"{perplexity:#.4g}" if perplexity < 1000 else f"{perplexity:,.0f}"
    also = f", perplexity {digits}" if unit == UNITS[model.vocabulary.level] else ""
    return f"{loss:.4f} nats per {unit}{also}: {meaning_of_loss(loss, unit, model.vocabulary.level)}"


def rounding_in_words(training: dict, unit: str) -> str:
    """What rounding the weights did to the held-out loss. training: the record of a model that was rounded."""
    return f"held-out loss {training['unrounded']:.6f} nats per {unit} before, {training['valid_loss']:.6f} after"


def meaning_of_loss(loss: float, unit: str, level: str) -> str:
    """What a loss in nats per ``unit`` means: for tokens of a level how many of them it is like to choose among, for
    labels and tags the probability of the right one."""
    if unit != UNITS[level]:
        return f"the right answer gets {100 * exp(-loss):.4g} % (geometric mean)"
    choices = exp(loss)
    number = f"{choices:.3g}" if choices < 1000 else f"{choices:,.0f}"
    return f"as surprised as by {number} equally likely {unit}s"


def _epochs(number: float) -> str:
    digits = f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
    return f"{digits} epoch{'' if digits == '1' else 's'}"


def _settings(settings: dict, model: Any) -> list[str]:
    """The settings in words, those that the file has."""

    def given(name, words, *, unless=None):
        value = settings.get(name, unless)
        if value != unless:
            yield words.format(f"{value:g}" if isinstance(value, float) else value)

    minutes = settings.get("minutes")
    rows, steps = settings.get("rows", settings.get("batch")), settings.get("steps")
    each_update = rows and steps and model.task.batch_description(model, rows, steps)  # has vocabulary and lines
    return [
        *([f"{minutes:g} minute{'' if minutes == 1 else 's'}"] if minutes else []),
        *([_epochs(settings["epochs"])] if not minutes and settings.get("epochs") else []),
        *([f"each update reads {each_update}"] if each_update else []),
        *given("lr", f"learning rate {{}}{''.join(given('schedule', ' ({} schedule)'))}"),
        *given("clip", "gradients clipped to the norm {}", unless=0),
        *given("dropout", "dropout {}", unless=0),
        *given("noise", "noise {}", unless=0),
        *given("precision", "{}"),
        *given("softmax_samples", "softmax over the targets and about {} other outputs", unless=0),
        *given("shards", "{} shards", unless=1),
        *given("local_updates", "local updates between exchanges: {}"),
        *given("seed", "seed {}"),
    ]
