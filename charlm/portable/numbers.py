"""cos and integer powers of single numbers, with the same bits on every machine: see ``functions.py``. Without NumPy,
because ``charlm train --help`` names the schedules of the learning rate.
"""

import math
from functools import reduce

OF_COSINE = tuple((-1) ** n / math.factorial(2 * n + 1) for n in range(11, -1, -1))  # of the sine, from x²³ on


def cos_pi(x: float) -> float:
    """cos πx for 0 ≤ x ≤ 1: the sine of π (½ - x), by its Taylor series."""
    angle = math.pi * (0.5 - x)
    return angle * polynomial(angle * angle, OF_COSINE)


def power(x: float, n: int) -> float:
    """xⁿ for an integer n ≥ 0, by squaring."""
    bits = f"{n:b}" if n else ""
    return reduce(lambda found, bit: found * found * (x if bit == "1" else 1.0), bits, 1.0)


def polynomial(x, coefficients):
    """The value at x of a polynomial, whose highest coefficient comes first."""
    return reduce(lambda found, coefficient: found * x + coefficient, coefficients[1:], coefficients[0])
