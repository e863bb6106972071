"""Text made safe for a terminal: control characters become visible characters."""

import re
import unicodedata


def visible(text: str) -> str:
    """The text with every character that could steer a terminal made visible. Line feeds and tabs stay as they are.

    A control character becomes its picture (␛ for escape). A format character (some of them turn the direction of
    writing) or a byte that is not UTF-8 becomes an escape such as \\u202e. Python may have decoded a file's name in
    another encoding; if its bytes are UTF-8, the name is shown as that.
    """
    if text.isascii() and text.isprintable():
        return text
    text = re.sub("[\\udc80-\\udcff]+", _as_utf8, text)
    return "".join(map(_visible_character, text))


def _as_utf8(escaped: re.Match) -> str:
    return escaped[0].encode("ascii", "surrogateescape").decode("utf-8", "surrogateescape")


def _visible_character(character: str) -> str:
    code = ord(character)
    if character in "\n\t" or character.isprintable():
        return character
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if unicodedata.category(character) == "Zs":
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
