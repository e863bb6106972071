"""log and exp in float64, with the same bits on every machine.

The functions of the C library, and those of NumPy, which has versions for several processors, round the last bit in
different ways. These here are made of additions, products and divisions, whose rounding IEEE 754 prescribes, one NumPy
call for each, so that no compiler joins two of them. They are for what a training keeps, a few thousand numbers; the
kernels have their own (``kernels/activations.py``). The errors are below 2 units in the last place.
"""

import math

import numpy as np

from .numbers import polynomial

# ln 2 in two parts: the product of the first one with an integer of up to 11 bits is exact.
LN2_HIGH, LN2_LOW = float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33")
ROOT_HALF = math.sqrt(0.5)
LEAST = -746.0  # eˣ of it, and of less, is 0
OF_LOGARITHM = tuple(2 / n for n in range(23, 1, -2))  # of atanh, from s²² on
OF_EXPONENTIAL = tuple(1 / math.factorial(n) for n in range(14, -1, -1))


def log(x) -> np.ndarray:
    """The natural logarithm of finite numbers x > 0, float64 of the shape of x.

    log x = n ln 2 + log m, √½ ≤ m < √2; log m = 2 atanh s with s = (m - 1)/(m + 1), a series of s² < 0.03.
    """
    m, n = np.frexp(np.asarray(x, np.float64))
    small = m < ROOT_HALF
    m, n = np.where(small, 2 * m, m), n - small
    f = m - 1
    s = f / (m + 1)
    square = s * s
    rest = square * polynomial(square, OF_LOGARITHM)  # 2 atanh s = 2 s + s · rest = f - s (f - rest)
    return n * LN2_HIGH - ((s * (f - rest) - n * LN2_LOW) - f)


def exp(x) -> np.ndarray:
    """eˣ of numbers x < 709, float64 of the shape of x.

    eˣ = 2ⁿ eʳ with |r| ≤ ½ ln 2, and the Taylor series of eʳ.
    """
    x = np.maximum(np.asarray(x, np.float64), LEAST)
    n = np.rint(x / LN2_HIGH)
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    return np.ldexp(polynomial(r, OF_EXPONENTIAL), n.astype(np.int32))
