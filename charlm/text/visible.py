"""What a person sees: lines on stderr, and text made safe for a terminal. The modules say what is said of what.

    training    a training: what it is, how it goes, what it came to
    scores      what was drawn, scored and compared
    colour      a text painted by its surprise
    model       what is in a model file

stdout carries data; everything here that is not sampled text goes to stderr. An error line must not cost the import of
NumPy or rich: what is shown is imported by whoever made it.
"""

import re
import unicodedata


def visible(text: str) -> str:
    """The text with everything that could steer a terminal made visible: only line feeds and tabs stay as they are.

    Control characters become their pictures (␛ for escape), those of format (which turn the direction of writing,
    among others) and bytes that are no UTF-8 become escapes such as \\u202e. A name of a file that Python has read in
    another encoding is shown as the UTF-8 that it is.
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
