"""The symbols of another program's model, from a file, in the order of its ids.

The file is a text with one symbol per line, where \\n, \\t, \\r and \\\\ stand for a line feed, a tab, a carriage
return and a backslash; or JSON: a list of symbols, an object that gives each symbol its id or each id its symbol, an
object that has one of these among other things, or the tokenizer.json of the library tokenizers with a vocabulary of
whole symbols.
"""

import json
import os
import re
from collections.abc import Sequence

from ..errors import CorpusError

MOST_BYTES = 1 << 28
END_OF_LINE = ("\n", "<EOS>", "<eos>", "</s>", "[EOS]", "<|endoftext|>")  # names of charlm's <EOS>, the best one first
UNKNOWN_NAMES = ("<UNK>", "<unk>", "[UNK]")
BEGINNING = ("<BOS>", "<bos>", "<SOS>", "<sos>", "<s>", "[BOS]")
_ESCAPE = re.compile(r"\\([ntr\\])")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
_NAME = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")  # of a symbol that no text has


def read_symbols(path) -> list[str]:
    """The symbols in a file, by id. Raises CorpusError where it does not hold any."""
    text = _text(path)
    if text.lstrip()[:1] in ("[", "{") or os.fspath(path).endswith(".json"):
        try:
            return _checked(_from_json(json.loads(text), path), path)
        except (ValueError, RecursionError) as error:
            if os.fspath(path).endswith(".json"):
                reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
                raise CorpusError(f"{path} is not JSON: {reason}") from None
    symbols = _from_lines(text)
    if "" in symbols:
        raise CorpusError(
            f"{path}: line {symbols.index('') + 1:,} is empty; write one symbol per line, a line feed as \\n"
        )
    return _checked(symbols, path)


def _text(path) -> str:
    if os.path.exists(path) and not os.path.isfile(path):
        raise CorpusError(f"{path} is not a regular file; name a file of symbols")
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise CorpusError(f"{path} has more than {MOST_BYTES:,} bytes, and is no file of symbols")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8 (byte {error.start:,}); save the symbols as UTF-8") from None


def _from_lines(text: str) -> list:
    lines = text.removesuffix("\n").split("\n")
    return [_ESCAPE.sub(lambda found: _ESCAPED[found[1]], line.removesuffix("\r") or line) for line in lines]


def _from_json(value, path) -> list:
    """The symbols of a list, of an object of ids or of symbols, or of a tokenizer."""
    if isinstance(value, dict) and isinstance(value.get("model"), dict):
        value = _of_tokenizer(value, path)
    elif isinstance(value, dict):
        value = max((part for part in value.values() if isinstance(part, list | dict)), key=len, default=value)
    if isinstance(value, dict):
        if value and all(isinstance(symbol, str) for symbol in value.values()):  # JSON makes the ids of symbols strings
            value = {symbol: int(number) if number.isdecimal() else number for number, symbol in value.items()}
        ids = sorted(value.items(), key=lambda pair: pair[1] if type(pair[1]) is int else -1)
        if [number for _, number in ids] != list(range(len(ids))):
            raise CorpusError(f"{path} does not give its {len(ids):,} symbols the ids from 0 to {len(ids) - 1:,}")
        value = [symbol for symbol, _ in ids]
    if not isinstance(value, list):
        raise CorpusError(f"{path} has no list of symbols, and no object that gives each symbol its id")
    return value


def _of_tokenizer(tokenizer: dict, path) -> dict:
    """symbol → id of a tokenizer.json."""
    model = tokenizer["model"]
    if model.get("type", "WordLevel") != "WordLevel" and (model.get("merges") or model["type"] != "BPE"):
        raise CorpusError(
            f"{path} is a tokenizer of the kind {model.get('type')!r:.40}, which cuts words in a way that charlm does "
            "not; charlm imports models of characters, words and tokens"
        )
    vocabulary = model.get("vocab")
    added = tokenizer.get("added_tokens") or []
    if not isinstance(vocabulary, dict) or not all(isinstance(one, dict) for one in added):
        raise CorpusError(f"{path} is a tokenizer without a vocabulary that gives each symbol its id")
    return vocabulary | {one.get("content"): one.get("id") for one in added}


def _checked(symbols: list, path) -> list[str]:
    if not symbols:
        raise CorpusError(f"{path} has no symbols")
    seen: dict = {}
    for number, symbol in enumerate(symbols):
        if not isinstance(symbol, str) or not symbol:
            raise CorpusError(f"{path}: symbol {number:,} is {symbol!r:.40}, which is no text")
        try:
            symbol.encode()
        except UnicodeEncodeError:
            raise CorpusError(f"{path}: symbol {number:,} is {symbol!r:.40}, half of a character") from None
        if symbol in seen:
            raise CorpusError(f"{path}: symbol {number:,} is {symbol!r:.40}, as symbol {seen[symbol]:,} is")
        seen[symbol] = number
    return symbols


def first_of(names: Sequence[str], symbols: Sequence[str]) -> int | None:
    """The id of the first of some names that is among the symbols; None if none is."""
    return next((symbols.index(name) for name in names if name in symbols), None)


def is_name(symbol: str) -> bool:
    """Whether a symbol is the name of something that no text has, as <pad> is."""
    return bool(_NAME.fullmatch(symbol))


def level_of(symbols: Sequence[str]) -> str:
    """At which level such symbols are found in a text."""
    texts = [symbol for symbol in symbols if not is_name(symbol)]
    if all(len(symbol) == 1 for symbol in texts):
        return "char"
    return "word" if any(symbol[0] == " " and symbol.strip() for symbol in texts) else "token"
