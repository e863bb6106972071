"""What no library decides: an archive's bytes, and the last bits of log, exp, cos and powers."""

import hashlib
import io
import math
import zipfile
from decimal import Decimal, localcontext

import numpy as np
import pytest

from charlm.portable import archive
from charlm.portable.archive import ArrayArchive, array_header
from charlm.portable.functions import exp, log
from charlm.portable.numbers import cos_pi, power

ARRAYS = {
    "header": np.arange(5, dtype=np.uint8),
    "W": np.arange(12, dtype="<f4").reshape(3, 4),
    "nothing": np.zeros((0, 7), "<f2"),
    "words": np.array(["ab", "c"]),
    "long_name_of_an_array": np.zeros((2, 1, 3), "<i8"),
}


def written(arrays):
    file = io.BytesIO()
    with ArrayArchive(file) as made:
        for name, array in arrays.items():
            made.add(name, array)
    return file.getvalue()


def test_the_bytes_of_an_archive_are_fixed():
    """Also a version of charlm must not change them by accident: files that are equal today are equal tomorrow."""
    digest = hashlib.sha256(written(ARRAYS)).hexdigest()
    assert digest == "c3a155ec3d01cf86aa9f18c9f8f0a5b135b00412584cec4bd319cf5b113bc93e"


def test_numpy_and_zipfile_read_an_archive():
    data = written(ARRAYS)
    with np.load(io.BytesIO(data)) as found:
        assert list(found) == list(ARRAYS)
        for name, array in ARRAYS.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        assert found.testzip() is None


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (10**18, 1)])
def test_the_header_of_an_array_is_the_one_that_numpy_reads(shape):
    file = io.BytesIO(array_header(np.dtype("<f4"), shape))
    assert np.lib.format.read_magic(file) == (1, 0)
    assert np.lib.format.read_array_header_1_0(file) == (shape, False, np.dtype("<f4"))
    assert file.tell() % archive.ALIGNMENT == 0 and not file.read()


def test_an_array_of_objects_has_no_header():
    with pytest.raises(ValueError, match="no arrays of the type object"):
        array_header(np.dtype(object), (1,))


class Zeros:
    """So many bytes, for a file that only skips them."""

    def __init__(self, number):
        self.number = number

    def __len__(self):
        return self.number


def test_sizes_and_places_beyond_32_bits(tmp_path, monkeypatch):
    crc32 = archive.zlib.crc32
    monkeypatch.setattr(
        archive.zlib, "crc32", lambda piece, check: check if type(piece) is Zeros else crc32(piece, check)
    )

    class SparseFile(io.FileIO):
        def write(self, data):
            return self.seek(len(data), 1) if isinstance(data, Zeros) else super().write(data)

    number = 5 << 30
    with SparseFile(tmp_path / "large.npz", "w") as file, ArrayArchive(file) as made:
        made.add_pieces("large", np.dtype("u1"), (number,), [Zeros(number)])
        made.add("small", np.arange(3))
    with zipfile.ZipFile(tmp_path / "large.npz") as found:
        assert [member.file_size for member in found.infolist()] == [number + 128, 128 + 24]
        assert found.infolist()[1].header_offset > number
        with found.open("small.npy") as member:
            np.testing.assert_array_equal(np.lib.format.read_array(member), np.arange(3))


def units(found, wanted):
    """How far a float64 is from an exact number, in units of its last place."""
    return abs(Decimal(found) - wanted) / Decimal(max(math.ulp(found), 5e-324))


def test_log_and_exp_are_right_to_two_units_of_the_last_place():
    random = np.random.default_rng(1)
    positive = np.concatenate(
        [random.uniform(0.4, 2.5, 500), np.exp(random.uniform(-700, 700, 500)), [5e-324, 1.7e308]]
    )
    any_sign = np.concatenate([random.uniform(-40, 3, 500), random.uniform(-744, 709, 500), random.normal(0, 1e-6, 99)])
    with localcontext() as context:
        context.prec = 40
        assert (
            max(units(y, Decimal(x).ln()) for x, y in zip(positive.tolist(), log(positive).tolist(), strict=True)) < 2
        )
        assert (
            max(units(y, Decimal(x).exp()) for x, y in zip(any_sign.tolist(), exp(any_sign).tolist(), strict=True)) < 2
        )
    assert log(1) == 0 and exp(0) == 1 and exp(-1e9) == 0
    assert log(positive[:6].reshape(2, 3)).shape == exp(positive[:6].reshape(2, 3)).shape == (2, 3)


def test_cosines_and_powers():
    assert (cos_pi(0), cos_pi(0.5), cos_pi(1)) == (1, 0, -1)
    assert max(abs(cos_pi(x) - math.cos(math.pi * x)) for x in np.linspace(0, 1, 999).tolist()) < 5e-16
    for x in (0.9, 0.99, 0.999):
        assert power(x, 0) == 1 and power(x, 1) == x and power(x, 2) == x * x
        for n in (3, 10, 77, 1000):
            assert power(x, n) == pytest.approx(x**n, rel=1e-13)
    assert power(0.9, 10**9) == 0


def test_the_functions_have_these_bits():
    """The same on every machine: made on x86-64 with AVX-512, and compared on AArch64 by `make arm`."""
    x = np.multiply.accumulate(np.full(400, 1.05)) * 1e-6
    bits = b"".join(
        np.asarray(values, "<f8").tobytes() for values in (log(x), exp(-x), [cos_pi(n / 97) for n in range(98)])
    )
    bits += np.array([power(0.99, n) for n in range(300)], "<f8").tobytes()
    assert hashlib.sha256(bits).hexdigest() == "28e8724bc70dd603e7f742228022f71432d2e5e03c1eb330a3c973239f0e985e"
