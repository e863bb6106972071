"""log, exp, cos and integer powers in float64, with the same bits on every machine.

The functions of the C library, and those of NumPy, which has versions for several processors, round the last bit in
different ways. These here are made of additions, products and divisions, whose rounding IEEE 754 prescribes, one NumPy
call for each, so that no compiler joins two of them. They are for what a training keeps, a few thousand numbers; the
kernels have their own (``kernels/activations.py``). The errors are below 2 units in the last place.
"""

import math
from functools import reduce

import numpy as np

# ln 2 in two parts: the product of the first one with an integer of up to 11 bits is exact.
LN2_HIGH, LN2_LOW = float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33")
ROOT_HALF = math.sqrt(0.5)
LEAST = -746.0  # eˣ of it, and of less, is 0
OF_LOGARITHM = tuple(2 / n for n in range(23, 1, -2))  # of atanh, from s²² on
OF_EXPONENTIAL = tuple(1 / math.factorial(n) for n in range(14, -1, -1))
OF_COSINE = tuple((-1) ** n / math.factorial(2 * n + 1) for n in range(11, -1, -1))  # of the sine, from x²³ on


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
    rest = square * _polynomial(square, OF_LOGARITHM)  # 2 atanh s = 2 s + s · rest = f - s (f - rest)
    return n * LN2_HIGH - ((s * (f - rest) - n * LN2_LOW) - f)


def exp(x) -> np.ndarray:
    """eˣ of numbers x < 709, float64 of the shape of x.

    eˣ = 2ⁿ eʳ with |r| ≤ ½ ln 2, and the Taylor series of eʳ.
    """
    x = np.maximum(np.asarray(x, np.float64), LEAST)
    n = np.rint(x / LN2_HIGH)
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    return np.ldexp(_polynomial(r, OF_EXPONENTIAL), n.astype(np.int32))


def cos_pi(x: float) -> float:
    """cos πx for 0 ≤ x ≤ 1: the sine of π (½ - x), by its Taylor series."""
    angle = math.pi * (0.5 - x)
    return angle * _polynomial(angle * angle, OF_COSINE)


def power(x: float, n: int) -> float:
    """xⁿ for an integer n ≥ 0, by squaring."""
    bits = f"{n:b}" if n else ""
    return reduce(lambda found, bit: found * found * (x if bit == "1" else 1.0), bits, 1.0)


def _polynomial(x, coefficients):
    """The value at x of a polynomial, whose highest coefficient comes first."""
    return reduce(lambda found, coefficient: found * x + coefficient, coefficients[1:], coefficients[0])
