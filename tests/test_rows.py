"""Rows per line and per token: they add up to the total, are exact, and do not depend on how the text arrives."""

import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from test_scoring import model_of, random_text

import charlm
from charlm.cli import program
from charlm.errors import UsageError
from charlm.kernels.compiling import HAS_BFLOAT16
from charlm.network import measuring, products
from charlm.network.measuring import TOP
from charlm.network.reference import Reference, log_softmax
from charlm.score import RANKS
from charlm.scoring import blocks as text_in_blocks
from charlm.scoring import scorer as scoring
from charlm.scoring.blocks import blocks, clean, read_ahead
from charlm.scoring.perplexity import Total
from charlm.scoring.pipeline import scored_blocks, scored_files
from charlm.scoring.rows import COLUMNS_BY_TOKEN, KINDS, line_rows, token_rows, written_rows
from charlm.scoring.scorer import Scorer
from charlm.text.vocabulary import EOS, UNKNOWN, Vocabulary

COMMAND = [sys.executable, "-m", "charlm", "perplexity", "--model"]
TEXT = "abc é\n\nbad – cab\n\tfe\n \n"


def model_at(level, lines=False):
    symbols = {"char": "abcdef \t", "word": ["abc", "bad", " cab", "fe"], "byte": list(b"abcdef \xc3\xa9")}
    symbols["subword"] = [*"abcdef \t", "ab", " c", " cab"]
    merges = [(2, 3), (8, 4), (11, 10)] if level == "subword" else ()
    return model_of(lines, symbols=symbols[level], level=level, merges=merges)


def one_block(model, text, columns=()):
    ((block,),) = scored_blocks([model], blocks(clean(text, model.vocabulary), True), columns=columns)
    return block


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("level", ["char", "subword", "word", "byte"])
def test_there_is_one_row_per_line_and_they_add_up(level, lines):
    model = model_at(level, lines)
    rows = list(line_rows(one_block(model, TEXT), 7))
    total = charlm.perplexity(model, TEXT)
    assert [row[0] for row in rows] == [8, 9, 10, 11, 12]
    assert [row[5] for row in rows] == TEXT.splitlines()
    assert sum(row[1] for row in rows) == total.tokens
    assert sum(row[2] for row in rows) == total.unknown_tokens > 0
    assert math.fsum(row[3] for row in rows) == pytest.approx(total.nats, rel=1e-12)
    assert (rows[1][1] == 0) == lines
    for row in rows:
        assert row[4] == pytest.approx(row[3] / math.log(2) / (len(row[5]) + 1), rel=1e-12)


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("level", ["char", "subword", "word", "byte"])
def test_there_is_one_row_per_token_and_they_add_up(level, lines):
    model = model_at(level, lines)
    rows = list(token_rows(one_block(model, TEXT, COLUMNS_BY_TOKEN)))
    total = charlm.perplexity(model, TEXT)
    assert len(rows) == total.tokens
    assert -math.fsum(row[1] for row in rows) == pytest.approx(total.nats, rel=1e-12)
    joined = "".join(row[0] for row in rows).encode("utf-8", "surrogateescape").decode()
    assert joined == (TEXT.replace("\n\n", "\n") if lines else TEXT)
    for rank in RANKS:
        assert sum(row[2] <= rank for row in rows) / len(rows) == total.accuracies[rank]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("lines", [True, False])
def test_ranks_entropies_and_alternatives_are_those_of_the_prediction(lines, compiled, monkeypatch):
    monkeypatch.setattr(scoring, "WITHOUT_COMPILER", 0 if compiled else 10**9)
    model = model_of(lines)
    tokens = model.vocabulary.encode(random_text(200).replace("\n\n", "\n"))
    scores = Scorer(model, ("ranks", "entropies", "most_likely")).measure(tokens)
    network = Reference(model.architecture, model.parameters)
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else EOS
        if lines and before == EOS:
            network.reset(1)
        logs = log_softmax(network.step(np.array([before]))[0].astype(float))
        assert scores.nats[place] == pytest.approx(-logs[token], rel=1e-4, abs=1e-5)
        assert scores.ranks[place] == 1 + np.count_nonzero(logs > logs[token])
        assert scores.entropies[place] == pytest.approx(-(np.exp(logs) * logs).sum(), rel=1e-4)
        order = np.argsort(-logs)[:TOP]
        assert scores.most_likely[place].tolist() == order.tolist()
        assert scores.probabilities[place] == pytest.approx(np.exp(logs[order]), rel=1e-4)


def test_a_vocabulary_smaller_than_the_list_of_alternatives():
    scores = Scorer(model_of(symbols="a"), ("most_likely",)).measure(np.array([2, 0], np.uint8))
    assert (scores.probabilities[:, :3] > 0).all() and not scores.probabilities[:, 3:].any()


@pytest.mark.parametrize("plain", [0, 40, 300, 10**9])
@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_text_in_parts_has_the_bits_of_the_whole(plain, lines, threads, monkeypatch):
    """The parts end anywhere: within a chunk, at its end, after several chunks; for lines, after some of them. NumPy
    reads nothing, part of a chunk, several chunks or all of them."""
    for module in measuring, scoring:
        monkeypatch.setattr(module, "CHUNK", 64)
        monkeypatch.setattr(module, "BURN_IN", 16)
    monkeypatch.setattr(scoring, "WITHOUT_COMPILER", plain)
    model = model_of(lines, hidden=9, symbols="abcdefghijkl ")
    tokens = model.vocabulary.encode(random_text(1000))
    whole = Scorer(model, threads=threads).measure(tokens).nats
    for seed in range(4):
        places = np.flatnonzero(tokens == EOS)[:-1] + 1 if lines else [*range(1, 1000), 64, 128, 129]
        cuts = np.sort(np.random.default_rng(seed).choice(places, 12))
        scorer = Scorer(model, ("ranks",), threads)
        parts = [scorer.measure(part).nats for part in np.split(tokens, cuts)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()


@given(st.lists(st.text("ab\n", max_size=9) | st.none(), max_size=12), st.booleans())
def test_blocks_are_the_text(pieces, whole_lines):
    found = list(blocks(pieces, whole_lines))
    text = "".join(piece for piece in pieces if piece)
    assert "".join(found) == text and all(found)
    if whole_lines:
        assert all(block.endswith("\n") for block in found[:-1])


def test_blocks_are_of_one_size():
    found = list(blocks(["a" * (3 * text_in_blocks.BLOCK + 5)], False))
    assert [len(block) for block in found] == [text_in_blocks.BLOCK] * 3 + [5]
    assert [len(block) for block in blocks(["abc\n"] * text_in_blocks.BLOCK, True)] == [text_in_blocks.BLOCK] * 4


def test_a_block_of_words_has_enough_of_them(monkeypatch):
    """Where a token has several characters, a block has more characters, so that an engine's rows are full."""
    monkeypatch.setattr(text_in_blocks, "BLOCK", 1 << 16)
    monkeypatch.setattr(text_in_blocks, "SAMPLE", 1 << 14)
    vocabulary, size = Vocabulary("word", ["abcd", "efgh"]), text_in_blocks.BLOCK
    found = list(blocks(["abcd efgh\n"] * size, True, [vocabulary]))
    sizes = [len(vocabulary.encode(block)) for block in found]
    assert all(0.95 * size < number <= size for number in sizes[:-1]) and len(sizes) == 4
    characters = Vocabulary("char", list("abcdefgh "))
    assert len(next(blocks(["abcd efgh\n"] * size, True, [vocabulary, characters]))) < size + 10


def test_pieces_are_passed_on_when_no_more_arrive():
    """A piece waits PATIENCE seconds for more text, not for the end of the text."""
    source: queue.Queue = queue.Queue()
    pieces = read_ahead(iter(source.get, "end"))
    source.put("a")
    assert [next(pieces), next(pieces)] == ["a", None]
    threading.Timer(2 * text_in_blocks.PATIENCE, source.put, ("b",)).start()
    assert [next(pieces), next(pieces)] == ["b", None]
    source.put("end")
    assert list(pieces) == []


def test_an_error_of_the_reading_thread_is_raised_in_order():
    def broken():
        yield "a"
        raise OSError("gone")

    pieces = read_ahead(broken())
    assert next(pieces) == "a"
    with pytest.raises(OSError, match="gone"):
        list(pieces)


@pytest.mark.parametrize("lines", [True, False])
def test_a_text_in_many_blocks_has_the_rows_of_one(lines, tmp_path, monkeypatch):
    model = model_of(lines)
    (tmp_path / "text.txt").write_text(random_text(3000, symbols="abcdefg  \n"))
    paths = [tmp_path / "text.txt"]
    for by, whole_lines in (("line", True), ("token", False), ("word", True)):
        found = []
        for size in 10**6, 37:
            monkeypatch.setattr(text_in_blocks, "BLOCK", size)
            scored = scored_files([model], paths, columns=KINDS[by].columns, whole_lines=whole_lines)
            found.append("".join(written_rows(scored, by, as_json=True)))
        assert found[0] == found[1]


@pytest.mark.parametrize("level", ["char", "byte"])
@pytest.mark.parametrize("lines", [True, False])
def test_the_score_is_the_log_probability_of_a_sample(level, lines):
    model = model_of(lines, symbols="abcdefg " if level == "char" else list(b"abcdefg "), level=level)
    for sample in charlm.sample(model, 5, 40, seed=1):
        assert charlm.log_probability(model, sample.text) == pytest.approx(sample.log_probability, rel=1e-5)
        if lines:
            assert -charlm.perplexity(model, sample.text).nats == pytest.approx(sample.log_probability, rel=1e-5)


def test_a_model_of_lines_scores_one_line_at_a_time():
    with pytest.raises(charlm.errors.UsageError):
        charlm.log_probability(model_of(lines=True), "ab\ncd")
    assert charlm.log_probability(model_of(lines=True), "ab\n") == charlm.log_probability(model_of(lines=True), "ab")


def test_totals_add_up():
    model, total = model_at("char"), Total()
    for text in (TEXT, "abc\n"):
        total.add(one_block(model, text, ("ranks",)))
    assert total.score.tokens == len(TEXT) + 4 and total.score.lines == 6
    assert total.score.within[0] <= total.score.within[1] <= total.score.within[2] <= total.score.tokens
    assert total.score.unknown_tokens == np.count_nonzero(model.vocabulary.encode(TEXT) == UNKNOWN)


@pytest.mark.parametrize("unit", ["nats", "bits", "log10"])
@pytest.mark.parametrize("by", KINDS)
def test_rows_have_the_unit_that_their_columns_are_named_after(by, unit):
    model, per_nat = model_at("char"), {"nats": 1, "bits": 1 / math.log(2), "log10": math.log10(math.e)}[unit]
    block = one_block(model, TEXT, KINDS[by].columns)
    names = list(charlm.rows(model, TEXT, by).dtype.names)
    renamed = {
        "nats": {},
        "bits": {"nats": "bits", "log_probability": "log2_probability", "entropy": "entropy_bits"},
        "log10": {"nats": "log10", "log_probability": "log10_probability", "entropy": "entropy_log10"},
    }[unit]
    records = [json.loads(row) for row in "".join(written_rows([[block]], by, as_json=True, unit=unit)).splitlines()]
    nats = charlm.rows(model, TEXT, by)
    for record, row in zip(records, nats.tolist(), strict=True):
        row = dict(zip(names, row, strict=True))
        for name in ("nats", "log_probability", "entropy"):
            if name in row:
                row[name] *= per_nat
        assert record == pytest.approx({renamed.get(name, name): value for name, value in row.items()})
    array = charlm.rows(model, TEXT, by, unit=unit)
    assert [dict(zip(array.dtype.names, row, strict=True)) for row in array.tolist()] == records
    tsv = "".join(written_rows([[block]], by, unit=unit, header=True)).split("\n")
    assert tsv[0].split("\t") == list(records[0]) and len(tsv) == len(records) + 2


def test_another_unit_is_an_error():
    with pytest.raises(UsageError, match="unit must be nats, bits or log10, not 'nat'"):
        charlm.rows(model_of(), "ab", unit="nat")


def test_rows_of_words_as_tsv():
    rows = "".join(written_rows([[one_block(model_at("word"), " abc  é\n\n\\n\n")]], "word")).splitlines()
    rows = [row.split("\t") for row in rows]
    assert [(*row[:4], row[5]) for row in rows] == [
        ("1", "1", "1", "1", "abc"),
        ("1", "2", "2", "2", "é"),  # " " and " é"
        ("1", "3", "1", "0", "\\n"),
        ("2", "1", "1", "0", "\\n"),
        ("3", "1", "2", "2", "\\\\n"),
        ("3", "2", "1", "0", "\\n"),
    ]


# The command


def rows_of(model, *options, text=TEXT):
    done = CliRunner().invoke(program, [*COMMAND[3:], str(model), *options], input=text.encode(), prog_name="charlm")
    assert done.exit_code == 0, done.stderr
    return done.stdout.removesuffix("\n").split("\n")


def test_rows_of_the_command(tiny_model, as_it_was):
    text = "cab egg\n\nfe\tx é\n"
    total = json.loads(rows_of(tiny_model, "--json", text=text)[0])
    records = [json.loads(row) for row in rows_of(tiny_model, "--per-line", "--json", text=text)]
    assert [list(record) for record in records] == [
        ["line", "tokens", "unknown_tokens", "nats", "bits_per_character", "text"]
    ] * 3
    assert [record["text"] for record in records] == ["cab egg", "", "fe\tx é"]
    assert math.fsum(record["nats"] for record in records) == pytest.approx(total["nats"], rel=1e-12)
    rows = [row.split("\t", 5) for row in rows_of(tiny_model, "--per-line", text=text)]
    for row, record in zip(rows, records, strict=True):
        assert row[:3] == [str(record[name]) for name in ("line", "tokens", "unknown_tokens")]
        assert row[3:] == [f"{record['nats']:.4f}", f"{record['bits_per_character']:.4f}", record["text"]]

    records = [json.loads(row) for row in rows_of(tiny_model, "--per-token", "--json", text=text)]
    assert [list(record) for record in records] == [["token", "log_probability", "rank", "entropy"]] * len(text)
    assert "".join(record["token"] for record in records) == text
    assert math.fsum(record["log_probability"] for record in records) == pytest.approx(-total["nats"], rel=1e-12)
    rows = [row.split("\t") for row in rows_of(tiny_model, "--per-token", text=text)]
    assert [row[0] for row in rows] == [{"\n": "\\n", "\t": "\\t"}.get(c, c) for c in text]
    assert [row[1:] for row in rows] == [
        [f"{record['log_probability']:.4f}", str(record["rank"]), f"{record['entropy']:.4f}"] for record in records
    ]


def test_bytes_that_are_not_utf_8_are_escaped():
    rows = "".join(map(KINDS["token"].form, [("\udcc3", -1.0, 2, 0.5), ("\\", -1.0, 2, 0.5)]))
    assert rows == "\\xc3\t-1.0000\t2\t0.5000\\\\\t-1.0000\t2\t0.5000"


def test_threads_change_no_row(tiny_model, as_it_was, monkeypatch):
    monkeypatch.setattr(scoring, "WITHOUT_COMPILER", scoring.CHUNK)
    text = random_text(13_000, symbols="abcdefg  \n")
    one, three = (rows_of(tiny_model, "--per-line", "--threads", number, text=text) for number in "13")
    chosen = rows_of(tiny_model, "--per-line", text=text)
    assert one == three == chosen and len(one) > 1000


def test_rows_come_as_the_lines_arrive(tiny_model):
    with subprocess.Popen(
        [*COMMAND, tiny_model, "--per-line"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        for number, line in enumerate(("cab egg", "", "fee"), 1):
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()
            row = process.stdout.readline().decode().rstrip("\n").split("\t")
            assert (row[0], row[5]) == (str(number), line)
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize("lines", [True, False])
def test_a_slow_pipe_has_the_rows_of_the_file(lines, tmp_path):
    """To the last digit, when the text arrives bit by bit and stops in the middle of lines. NumPy reads one part of it
    and the kernels read the other."""
    model_of(lines, hidden=20).save(tmp_path / "m.npz")
    text = random_text(scoring.WITHOUT_COMPILER + 3 * scoring.CHUNK, symbols="abcdefg   \n")
    (tmp_path / "text.txt").write_text(text)
    command = [*COMMAND, tmp_path / "m.npz", "--per-line", "--json"]
    at_once = "\n".join(rows_of(tmp_path / "m.npz", *command[-2:], text=text)).encode() + b"\n"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        waiting = threading.Thread(target=lambda: slowly.append(process.stdout.read()))
        slowly: list[bytes] = []
        waiting.start()
        for part in np.split(np.frombuffer(text.encode(), np.uint8), [50, 3001, 9000, 9004, 21_000, 26_000]):
            process.stdin.write(part.tobytes())
            process.stdin.flush()
            time.sleep(1.5 * text_in_blocks.PATIENCE)
        process.stdin.close()
        waiting.join(60)
    assert slowly == [at_once] and at_once.count(b"\n") == text.count("\n")


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="no such signal here")
def test_rows_end_with_their_reader(tiny_model, tmp_path):
    (tmp_path / "text.txt").write_text("cab egg\n" * 20_000)
    command = [*COMMAND, tiny_model, "--per-line", tmp_path / "text.txt"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline().startswith(b"1\t8\t0\t")
        process.stdout.close()
        assert process.wait(60) == -signal.SIGPIPE
        assert process.stderr.read() == b""


def test_ctrl_c_ends_the_wait_for_input(tiny_model):
    with subprocess.Popen(
        [*COMMAND, tiny_model, "--per-line"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdin.write(b"cab\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"1\t4\t0\t")
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr.read().strip() == b""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no way to see the memory of a process")
def test_memory_does_not_grow_with_the_text(tiny_model, tmp_path):
    """22,000 lines more, in the same process and in small blocks, and at most 5 MB more, whatever is written: 230 bytes
    for each line. Where the system can, the peak begins anew with each kind of output."""
    program = (
        "import contextlib, sys; from charlm.cli import program; from charlm.scoring import blocks\n"
        "blocks.BLOCK = 32768\n"
        "for option in '--json', '--per-line', '--per-token':\n"
        "    with contextlib.suppress(OSError): open('/proc/self/clear_refs', 'w').write('5')\n"
        "    for text in sys.argv[1:3]:\n"
        "        try: program([*sys.argv[3:], option, text])\n"
        "        except SystemExit as end: assert not end.code\n"
        "        print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')), file=sys.stderr)"
    )
    texts = []
    for lines in (8000, 30_000):
        texts.append(tmp_path / f"{lines}.txt")
        texts[-1].write_text("cab egg\n" * lines)
    command = [sys.executable, "-c", program, *texts, "perplexity", "--threads", "1", "--model", tiny_model]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 0
    peaks = [int(words.split()[1]) // 1024 for words in done.stderr.splitlines() if words]
    assert len(peaks) == 6
    for first, second in zip(peaks[::2], peaks[1::2], strict=True):
        assert second < first + 5 and second < 300


@pytest.mark.parametrize("adapt", [None, 0.001])
@pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor has no AVX512-BF16")
def test_bf16_scores_nearly_as_float32_does(adapt):
    """In the whole text, its beginning included; the threads change no bit."""
    model, text = model_of(hidden=40, layers=2), random_text(9000)
    exact, rounded, again = (
        charlm.perplexity(model, text, adapt=adapt, precision=precision, threads=threads)
        for precision, threads in (("float32", 2), ("bf16", 2), ("bf16", 1))
    )
    assert rounded.nats == pytest.approx(exact.nats, rel=0.01) and rounded.nats != exact.nats
    assert rounded == again
    short = charlm.perplexity(model, text[:50], precision="bf16").nats
    assert short != charlm.perplexity(model, text[:50]).nats


def test_a_precision_that_the_processor_lacks_is_an_error_of_one_line(monkeypatch):
    monkeypatch.setattr(products, "HAS_BFLOAT16", False)
    with pytest.raises(UsageError, match="--precision bf16 needs .* leave it out"):
        charlm.perplexity(model_of(), "ab\n", precision="bf16")
    with pytest.raises(UsageError, match="precision must be float32 or bf16, not 'bf8'"):
        charlm.perplexity(model_of(), "ab\n", precision="bf8")
