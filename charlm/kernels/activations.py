"""σ, tanh, exp and log as arithmetic that LLVM can run on whole vectors; libm's versions are calls, eighty times
slower.

In float32 they are approximations of known error; in float64, which only the checks use, the exact functions of libm.
There is no literal of another type in them: in numba a bare ``0.5`` would turn a float32 sum into float64.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from ..portable.functions import LN2_HIGH, LN2_LOW, OF_LOGARITHM
from .compiling import inlined, internal
from .sixteen import VECTOR, clamped, inverse, larger, multiply_add, nearest, scaled, vector

f = np.float32


@intrinsic
def _multiply_add(typing, x, y, z):
    def generate(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return x(x, x, x), generate


@intrinsic
def _power_of_two(typing, exponent):
    """2ⁿ for an int32 -126 ≤ n ≤ 127, by writing n into the exponent bits of a float32."""

    def generate(context, builder, signature, arguments):
        word = ir.IntType(32)
        biased = builder.add(arguments[0], ir.Constant(word, 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(word, 23)), ir.FloatType())

    return types.float32(types.int32), generate


@intrinsic
def _exponent(typing, x):
    """n as a float32, of a positive float32 x = 2ⁿ m with √½ ≤ m < √2."""

    def generate(context, builder, signature, arguments):
        word, bits = _scaled_bits(builder, arguments[0])
        return builder.sitofp(builder.ashr(bits, ir.Constant(word, 23)), ir.FloatType())

    return types.float32(types.float32), generate


@intrinsic
def _mantissa(typing, x):
    """m of a positive float32 x = 2ⁿ m with √½ ≤ m < √2."""

    def generate(context, builder, signature, arguments):
        word, bits = _scaled_bits(builder, arguments[0])
        fraction = builder.and_(bits, ir.Constant(word, (1 << 23) - 1))
        return builder.bitcast(builder.add(fraction, ir.Constant(word, _ROOT_HALF)), ir.FloatType())

    return types.float32(types.float32), generate


_ROOT_HALF = 0x3F3504F3  # the bits of √½


def _scaled_bits(builder, x):
    """The type of a word, and the bits of the float32 x minus those of √½: n stands above its lowest 23 bits."""
    word = ir.IntType(32)
    return word, builder.sub(builder.bitcast(x, word), ir.Constant(word, _ROOT_HALF))


def tanh(x):
    """tanh x."""


def sigmoid(x):
    """σ(x) = ½ tanh(½ x) + ½."""


def exponential(x):
    """eˣ for x ≤ 0; below -87 it stays at e⁻⁸⁷, about 1.6e-38."""


def logarithm(x):
    """log x for a normal number x > 0, the natural logarithm."""


# tanh is its argument times a rational function of the argument's square, degree 13 over 6: the form and the
# coefficients that Eigen uses (MathFunctionsImpl.h, generic_fast_tanh_float). Beyond the limit it stays at ±0.99999976.
# How large the error is: tests/test_kernels.py.
_LIMIT = f(7.90531110763549805)
_A = tuple(
    map(
        f,
        (
            4.89352455891786e-03,
            6.37261928875436e-04,
            1.48572235717979e-05,
            5.12229709037114e-08,
            -8.60467152213735e-11,
            2.00018790482477e-13,
            -2.76076847742355e-16,
        ),
    )
)
_B = tuple(map(f, (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)))
A0, A1, A2, A3, A4, A5, A6 = _A
B0, B1, B2, B3 = _B


@internal
def _tanh(x):
    x = _LIMIT if x > _LIMIT else x  # a NaN passes both comparisons unchanged
    x = -_LIMIT if x < -_LIMIT else x
    s = x * x
    p = _multiply_add(s, A6, A5)
    p = _multiply_add(s, p, A4)
    p = _multiply_add(s, p, A3)
    p = _multiply_add(s, p, A2)
    p = _multiply_add(s, p, A1)
    p = _multiply_add(s, p, A0)
    q = _multiply_add(s, B3, B2)
    q = _multiply_add(s, q, B1)
    q = _multiply_add(s, q, B0)
    return x * p / q


# Next to bfloat16, which has 8 bits, a shorter function does: x P(x²) / Q(x²), both of degree 2, fitted up to the limit
# (least squares, weighted towards the largest relative error). It is off by 5.2e-5 of tanh x there, by 1.5e-4 beyond,
# and below 1 everywhere. For σ the coefficients are those of ½ tanh(½ x).
_SHORT_LIMIT, _SHORT_LIMIT_OF_SIGMOID = f(5.0), f(10.0)
S0, S1, S2 = map(f, (9.99948046e-1, 1.02417656e-1, 6.70564456e-4))
T0, T1, T2 = map(f, (1.0, 4.3543245e-1, 1.281988e-2))
_HALVED = f(2**-2), f(2**-4), f(2**-6)
H0, H1, H2 = (scale * s for scale, s in zip(_HALVED, (S0, S1, S2), strict=True))
U1, U2 = T1 * f(2**-2), T2 * f(2**-4)


@inlined
def _quotient(x, y):
    """x / y for vectors, from an approximate inverse and one step of Newton's method: a division takes longer."""
    near = inverse(y)
    first = x * near
    return first + near * (x - y * first)


@inlined
def _short_tanh(x):
    """tanh of a vector."""
    x = clamped(x, _SHORT_LIMIT)
    s = x * x
    p = multiply_add(multiply_add(s, S2, S1), s, S0)
    return _quotient(x * p, multiply_add(multiply_add(s, T2, T1), s, T0))


@inlined
def _short_sigmoid(x):
    """σ of a vector."""
    x = clamped(x, _SHORT_LIMIT_OF_SIGMOID)
    s = x * x
    p = multiply_add(multiply_add(s, H2, H1), s, H0)
    return _quotient(x * p, multiply_add(multiply_add(s, U2, U1), s, T0)) + vector(_HALF)


@overload(tanh)
def _overload_tanh(x):
    if x == VECTOR:
        return lambda x: _short_tanh(x)
    if x == types.float32:
        return lambda x: _tanh(x)
    return lambda x: math.tanh(x)


@overload(sigmoid)
def _overload_sigmoid(x):
    if x == VECTOR:
        return lambda x: _short_sigmoid(x)
    if x == types.float32:
        half = f(0.5)
        return lambda x: _multiply_add(half, _tanh(half * x), half)
    return lambda x: 0.5 * math.tanh(0.5 * x) + 0.5


# eˣ = 2ⁿ eʳ with n = round(x / ln 2) and |r| ≤ ½ ln 2; eʳ is its Taylor series to r⁶ (the next term is below 1.2e-7).
# ln 2 is split in two so that n · ln 2 is exact (Cody and Waite, Software Manual for the Elementary Functions, 1980).
_LOWEST, _LOG2_E, _LN2_HIGH, _LN2_LOW = f(-87.0), f(1.4426950408889634), f(0.693359375), f(-2.12194440e-4)
ONE, E2, E3, E4, E5, E6 = (f(1 / math.factorial(n)) for n in (1, 2, 3, 4, 5, 6))
_HALF = f(0.5)


@internal
def _exponential(x):
    x = _LOWEST if x < _LOWEST else x
    n = np.int32(_multiply_add(x, _LOG2_E, -_HALF))  # truncation rounds to the nearest, for x ≤ 0
    whole = f(n)
    r = _multiply_add(whole, -_LN2_HIGH, x)
    r = _multiply_add(whole, -_LN2_LOW, r)
    p = _multiply_add(r, E6, E5)
    p = _multiply_add(r, p, E4)
    p = _multiply_add(r, p, E3)
    p = _multiply_add(r, p, E2)
    p = _multiply_add(r, p, ONE)
    p = _multiply_add(r, p, ONE)
    return p * _power_of_two(n)


# For vectors eˣ = 2ⁿ 2ʳ with n = round(x log₂ e) and |r| ≤ ½. The polynomial is off by 9.2e-8 of 2ʳ at most (least
# squares, weighted towards the largest error); x log₂ e is rounded, which makes up to 4e-6 of eˣ.
Z1, Z2, Z3, Z4, Z5 = map(f, (0.69314698, 0.24022242, 0.05550734, 0.00967151, 0.00132647))


@inlined
def _exponential_of_vector(x):
    x = larger(x, vector(_LOWEST)) * _LOG2_E
    n = nearest(x)
    r = x - n
    p = multiply_add(multiply_add(r, Z5, Z4), r, Z3)
    p = multiply_add(multiply_add(multiply_add(p, r, Z2), r, Z1), r, ONE)
    return scaled(p, n)


@overload(exponential)
def _overload_exponential(x):
    if x == VECTOR:
        return lambda x: _exponential_of_vector(x)
    if x == types.float32:
        return lambda x: _exponential(x)
    return lambda x: math.exp(x)


# log x = n ln 2 + log m with x = 2ⁿ m; log m = r - ½ r² + r³ P(r) with r = m - 1. P is the polynomial of Cephes (S. L.
# Moshier, logf.c), and ln 2 is split in two as for eˣ.
P0, P1, P2, P3, P4, P5, P6, P7, P8 = map(
    f,
    (
        3.3333331174e-1,
        -2.4999993993e-1,
        2.0000714765e-1,
        -1.6668057665e-1,
        1.4249322787e-1,
        -1.2420140846e-1,
        1.1676998740e-1,
        -1.1514610310e-1,
        7.0376836292e-2,
    ),
)


@internal
def _logarithm(x):
    n, r = _exponent(x), _mantissa(x) - ONE
    s = r * r
    p = _multiply_add(r, P8, P7)
    p = _multiply_add(r, p, P6)
    p = _multiply_add(r, p, P5)
    p = _multiply_add(r, p, P4)
    p = _multiply_add(r, p, P3)
    p = _multiply_add(r, p, P2)
    p = _multiply_add(r, p, P1)
    p = _multiply_add(r, p, P0)
    p = _multiply_add(n, _LN2_LOW, p * r * s)
    p = _multiply_add(-_HALF, s, p) + r
    return _multiply_add(n, _LN2_HIGH, p)


@overload(logarithm)
def _overload_logarithm(x):
    if x == types.float32:
        return lambda x: _logarithm(x)
    return lambda x: math.log(x)


# log m = 2 atanh s with s = (m - 1)/(m + 1): a series of odd powers, whose first term is r - s r.
LN2 = LN2_HIGH + LN2_LOW
L6, L5, L4, L3, L2 = OF_LOGARITHM[-5:]


def exact_logarithm(x):
    """log x of one number x > 0 where the error of ``logarithm`` would be seen."""


@inlined
def _exact_logarithm(x):
    """As in ``portable.functions.log``, in float64, with fewer terms: to 10⁻¹¹. NaN for NaN and infinity."""
    n, m = np.float64(_exponent(x)), np.float64(_mantissa(x))
    r = m - 1
    s = r / (m + 1)
    square = s * s
    p = ((((L6 * square + L5) * square + L4) * square + L3) * square + L2) * square
    return n * LN2 + r - s * (r - p) + (x - x)


@overload(exact_logarithm)
def _overload_exact_logarithm(x):
    if x == types.float32:
        return lambda x: f(_exact_logarithm(x))
    return lambda x: math.log(x)
