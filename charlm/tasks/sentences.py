"""Files of sentences: a word and its tag on each line, a blank line after each sentence. They are CoNLL files of any
kind, tables, or JSON Lines with lists."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

from ..errors import CorpusError
from ..text.columns import (
    CONLLU,
    JSON,
    SPACES,
    WHITE,
    ColumnReader,
    Columns,
    Line,
    beginnings,
    begins_an_object,
    find_columns,
    is_conllu,
    parse_names,
    positions_in,
    read_rows,
    split_fields,
    without_empty_end,
)
from .entities import follow_their_scheme, scheme_of
from .examples import TABBED, ExampleForm, rarity_note

DOCUMENT = "-DOCSTART-"  # begins the line that CoNLL files put before each document
FIRST_AND_LAST = ("first", "last")  # the columns of a word and its tag, if nobody says
MOST_WORDS = 4096  # in a sentence, and in a batch for evaluation and prediction


class SentenceLines(list):
    """The lines of a sentence in a file. (A list of any other class has the words of a sentence themselves.)"""


def ends_a_sentence(line: str) -> bool:
    """Whether a line belongs to no sentence: it is blank, or it is the line before a document."""
    return not line.strip() or line.startswith(DOCUMENT)


def split_sentences(lines: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list]]:
    """Cut lines (where, text) into sentences: for each, where it begins, and its lines (where, text)."""
    sentence = []
    for where, line in chain(lines, [("", "")]):
        if not ends_a_sentence(line):
            sentence.append((where, line))
            check_length(sentence, sentence[0][0])
        elif sentence:
            yield sentence[0][0], sentence
            sentence = []


def check_length(words, where: str) -> None:
    """Raise CorpusError for a sentence with more than MOST_WORDS words."""
    if len(words) > MOST_WORDS:
        raise CorpusError(
            f"the sentence at {where} has more than {MOST_WORDS:,} words; put a blank line after each sentence"
        )


def find_sentences(lines: list[Line], given: Any) -> Columns:
    """The columns of a file of words and tags: those named, or FORM and UPOS of CoNLL-U, or the first and the last."""
    kept = [line for line in lines if not ends_a_sentence(line[1])]
    words = [line for line in kept if not line[1].startswith("#")] or kept
    if given is not None:
        found = find_columns(parse_names(given, ("word", "tag"), "tag"), words, of_words=True)
    elif not words:
        return TABBED
    else:
        found = _first_and_last(*words[0])
    return replace(found, comments=any(are_comments(kept, found, _tags_in(words, found))))


def _first_and_last(where: str, first: str) -> Columns:
    """The first and the last column of a file whose first word is in this line; FORM and UPOS of CoNLL-U."""
    if begins_an_object(first):
        raise CorpusError(f"{where} is an object in JSON; name two of its keys for charlm train: --columns word,tag")
    if is_conllu(first):
        return Columns(names=("2", "4"), delimiter="\t", positions=(1, 3), width=len(CONLLU), conllu=True)
    delimiter = "\t" if "\t" in first else SPACES
    fields = without_empty_end(split_fields(first, delimiter), 2)
    width = max(2, len(fields))
    return Columns(names=FIRST_AND_LAST, delimiter=delimiter, positions=(0, width - 1), width=width)


def _tags_in(lines: list[Line], columns: Columns) -> set[str]:
    """What stands in the column of the tags."""
    position = columns.positions[1] if columns.positions else 0
    rows = [columns.split(*line) for line in lines] if columns.delimiter != JSON else []
    return {fields[position].strip() for fields in rows if position < len(fields)}


def are_comments(lines: list[Line], columns: Columns, tags: set[str]) -> list[bool]:
    """Which lines are comments: they begin with #, and have not the columns of a word. Lines between columns of spaces
    may have as many by chance; then a comment begins a sentence and ends with what is no tag."""
    found, begins = [], True
    for _, line in lines:
        is_comment = False
        if line.startswith("#") and columns.delimiter != JSON:
            fields = split_fields(line, columns.delimiter)
            is_word = len(without_empty_end(fields, columns.width)) == columns.width
            by_chance = is_word and begins and columns.delimiter in (SPACES, WHITE) and line.startswith("# ")
            is_comment = columns.conllu or not is_word and (begins or line.startswith("# "))
            is_comment = is_comment or by_chance and fields[columns.positions[1]] not in tags
        found.append(is_comment)
        begins = is_comment or ends_a_sentence(line)
    return found


def is_part_of_words(line: str) -> bool:
    """Whether a line of CoNLL-U is a range of words (1-2) or an empty node (1.1), and no word."""
    return not line.partition("\t")[0].strip().isdecimal()


def read_sentences(lines: Iterator[Line], columns: Columns) -> Iterator[tuple[list[str], tuple[list[str], list[str]]]]:
    """(where its words are, (words, tags)) for each sentence. Raises CorpusError for a line without a word or a tag."""
    if columns.delimiter == JSON:
        yield from _sentences_of_json(lines, columns)
        return
    everything = list(lines)
    if columns.comments:
        tags = _tags_in([line for line in everything if not line[1].startswith("#")], columns)
        are_skipped = are_comments(everything, columns, tags)
        everything = [line for line, is_comment in zip(everything, are_skipped, strict=True) if not is_comment]
    if columns.conllu:
        everything = [line for line in everything if ends_a_sentence(line[1]) or not is_part_of_words(line[1])]
    positions = columns.positions
    for _, sentence in split_sentences(everything):
        places, words, tags_of_words = [], [], []
        for line_where, line in sentence:
            fields = columns.split(line_where, line)
            if columns.heading and (found := positions_in(columns.names, fields)) is not None:
                positions = found
                continue
            word, tag = _word_and_tag(line_where, fields, columns, positions)
            places.append(line_where)
            words.append(word)
            tags_of_words.append(tag)
        if words:
            yield places, (words, tags_of_words)


def _word_and_tag(where: str, fields: list[str], columns: Columns, positions: tuple[int, ...]) -> tuple[str, str]:
    if len(fields) < min(2, columns.width):
        raise CorpusError(
            f"{where} has no word or no tag: it has one column ({beginnings(fields)}); write word<TAB>tag, or name two "
            "columns of another file for charlm train: --columns word,tag"
        )
    fields = columns.checked(where, fields)
    word, tag = (fields[position].replace("\t", " ") for position in positions)
    if not tag.strip() or not word.strip():
        raise CorpusError(f"{where} has no {'word' if tag.strip() else 'tag'}; write word<TAB>tag")
    tag = tag.strip()
    if columns.delimiter == "\t" and " " in tag and columns.names == FIRST_AND_LAST:
        number = len(" ".join(fields).split())
        raise CorpusError(
            f"{where} separates its columns by tabs and by spaces, so that its tag would be {tag!r:.40}: write one of "
            f"both, or name the columns that spaces separate for charlm train: --columns 1,{number}"
        )
    return word, tag


def _sentences_of_json(
    lines: Iterator[Line], columns: Columns
) -> Iterator[tuple[list[str], tuple[list[str], list[str]]]]:
    for where, (words, tags) in read_rows(ColumnReader(columns), lines):
        if not isinstance(words, list) or not isinstance(tags, list) or len(words) != len(tags):
            raise CorpusError(f"{where} must have a list of words and a list of as many tags; mend the line")
        tags = [tag.strip() for tag in tags]
        check_length(words, where)
        if not all(map(str.strip, words)) or not all(tags):
            raise CorpusError(f"{where} has an empty word or tag; leave it out")
        if words:
            yield [where] * len(words), ([word.replace("\t", " ") for word in words], tags)


def notes_of_tags(sentences: list[tuple[list[str], list[str]]], columns: Columns) -> list[str]:
    """What charlm has found in the columns, and whether the tags mark entities."""
    notes, tags = [], [tags for _, tags in sentences]
    if columns.conllu:
        notes.append(f"the file is CoNLL-U: charlm reads {columns.describe()}; --columns form,xpos reads other tags")
    elif columns.width > 2 and columns.names == FIRST_AND_LAST:
        notes.append(f"words are in the first, tags in the last of {columns.width} columns; --columns names others")
    if columns.comments and not columns.conllu:
        notes.append("some lines that begin with # are comments, by their number of columns: charlm skips them")
    every = [tag for some in tags for tag in some]
    return [*notes, *rarity_note(every, "tag"), _note_of_scheme(set(every), tags)]


def _note_of_scheme(distinct: set[str], tags: list[list[str]]) -> str:
    scheme = scheme_of(distinct)
    if not scheme:
        example = min(distinct - {"O"}, key=lambda tag: (tag[1:2] == "-", tag), default="O")
        remedy = f" (write B-{example}, I-{example} if they are)" if "O" in distinct and "-" not in example else ""
        return (
            f"the tags do not mark entities, as {example!r:.30} shows{remedy}: charlm evaluate gives no F1 of entities"
        )
    if follow_their_scheme(tags, scheme):
        return f"the tags mark entities by the scheme {scheme}: predicted tags follow it"
    form = (
        "by the older form of BIO (IOB1)" if scheme == "BIO" else f"with the letters of {scheme}, but not by its rules"
    )
    return f"the tags mark entities {form}: any tag may follow any other"


def first_column(line: str) -> str:
    """The first column of a line. Tabs separate the columns or, in a line without tabs, spaces."""
    return split_fields(line, "\t" if "\t" in line else SPACES)[0]


SENTENCES = ExampleForm(
    find=find_sentences, read=read_sentences, labels_in=lambda example: example[1], notes=notes_of_tags
)
