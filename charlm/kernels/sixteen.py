"""Sixteen float32 at a time, for loops that also read or write bfloat16: a vector is a value like a number.

    i = at(part, n, kept)      the place of a part of a row of n numbers: sixteen of them at a time where ``kept`` is
                               bfloat16, else one
    row[i], row[i] = x         read and write the numbers in that place, as far as the row has them
    x + y, x - y, x * y        of each pair of numbers, or of each number and a single y

So the equations of a cell stand in one place, for both precisions: a loop over single numbers, which LLVM turns into
vectors where it can, and a loop over vectors, which does not depend on that. A bfloat16 is stored as uint16, the upper
half of a float32.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model

SIDE = 16  # numbers of a vector: bfloat16 needs AVX-512


class VectorType(types.Type):
    """16 float32."""

    def __init__(self):
        super().__init__(f"vector of {SIDE} float32")


class PlaceType(types.Type):
    """Where a vector begins in a row, and where the row ends."""

    def __init__(self):
        super().__init__("place of a vector")


VECTOR, PLACE = VectorType(), PlaceType()
_FLOATS = ir.VectorType(ir.FloatType(), SIDE)
_WORDS, _HALVES = (ir.VectorType(ir.IntType(bits), SIDE) for bits in (32, 16))


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _FLOATS)


@register_model(PlaceType)
class _PlaceModel(models.StructModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, [("start", types.intp), ("stop", types.intp)])


def is_rounded(array) -> bool:
    """Whether a type of array is one of bfloat16."""
    return isinstance(array, types.Array) and array.dtype == types.uint16


@intrinsic
def _place(typing, start, stop):
    def generate(context, builder, signature, arguments):
        place = cgutils.create_struct_proxy(PLACE)(context, builder)
        place.start, place.stop = arguments
        return place._getvalue()

    return PLACE(types.intp, types.intp), generate


def parts(n, kept):
    """How many parts a row of n numbers has; see ``at``."""


def at(part, n, kept):
    """The place of a part of a row of n numbers: 16 of them where the array ``kept`` is bfloat16, else one."""


@overload(parts)
def _parts(n, kept):
    if is_rounded(kept):
        return lambda n, kept: (n + SIDE - 1) // SIDE
    return lambda n, kept: n


@overload(at)
def _at(part, n, kept):
    if is_rounded(kept):
        return lambda part, n, kept: _place(part * SIDE, n)
    return lambda part, n, kept: part


def _left(context, builder, place):
    """Where a place begins in a row, and how many numbers the row has from there on."""
    place = cgutils.create_struct_proxy(PLACE)(context, builder, value=place)
    return place.start, builder.sub(place.stop, place.start)


def _where(context, builder, array_type, array, place):
    """A pointer to the first number of a place in a row, and how many numbers the row has from there on."""
    view = cgutils.create_struct_proxy(array_type)(context, builder, value=array)
    start, left = _left(context, builder, place)
    return builder.gep(view.data, [start]), left


def _either(builder, left, whole, partial):
    """whole(), or where a row has fewer than SIDE numbers left ``partial`` of the mask of these: the processor predicts
    a branch, but has to make each mask."""
    with builder.if_else(builder.icmp_signed(">=", left, left.type(SIDE)), likely=True) as (then, otherwise):
        with then:
            results = [(whole(), builder.block)]
        with otherwise:
            numbers = _spread(builder, left)
            mask = builder.icmp_signed("<", ir.Constant(numbers.type, list(range(SIDE))), numbers)
            results.append((partial(mask), builder.block))
    if results[0][0].type == ir.VoidType():
        return None
    merged = builder.phi(results[0][0].type)
    for result, block in results:
        merged.add_incoming(result, block)
    return merged


def _call(builder, name, result, *arguments):
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}"), arguments)


def _memory(builder, pointer, kind):
    """The address of a vector, the size of its numbers, and the end of the names of LLVM's functions for it."""
    is_whole = isinstance(kind.element, ir.IntType)
    size = kind.element.width // 8 if is_whole else 4
    return builder.bitcast(pointer, kind.as_pointer()), size, f"v{SIDE}{'i' if is_whole else 'f'}{8 * size}.p0"


def _load(builder, pointer, left, kind):
    address, size, name = _memory(builder, pointer, kind)
    return _either(
        builder,
        left,
        lambda: builder.load(address, align=size),
        lambda mask: _call(
            builder, f"masked.load.{name}", kind, address, ir.IntType(32)(size), mask, ir.Constant(kind, None)
        ),
    )


def _store(builder, value, pointer, left):
    address, size, name = _memory(builder, pointer, value.type)
    _either(
        builder,
        left,
        lambda: builder.store(value, address, align=size),
        lambda mask: _call(builder, f"masked.store.{name}", ir.VoidType(), value, address, ir.IntType(32)(size), mask),
    )


@intrinsic
def _read(typing, array, place):
    def generate(context, builder, signature, arguments):
        pointer, mask = _where(context, builder, array, *arguments)
        if not is_rounded(array):
            return _load(builder, pointer, mask, _FLOATS)
        wide = builder.zext(_load(builder, pointer, mask, _HALVES), _WORDS)
        return builder.bitcast(builder.shl(wide, ir.Constant(_WORDS, [16] * SIDE)), _FLOATS)

    return VECTOR(array, place), generate


@intrinsic
def _write(typing, array, place, value):
    def generate(context, builder, signature, arguments):
        pointer, mask = _where(context, builder, array, *arguments[:2])
        value = arguments[2]
        if is_rounded(array):
            name = "x86.avx512bf16.cvtneps2bf16.512"
            value = _call(builder, name, _HALVES, value)  # before LLVM 16 there is no other type; later ones know it
        _store(builder, value, pointer, mask)
        return context.get_dummy_value()

    return types.void(array, place, value), generate


@overload(operator.getitem)
def _getitem(array, place):
    if isinstance(array, types.Array) and place == PLACE:
        return lambda array, place: _read(array, place)


@overload(operator.setitem)
def _setitem(array, place, value):
    if isinstance(array, types.Array) and place == PLACE:
        return lambda array, place, value: _write(array, place, value)


def _operation(instruction):
    @intrinsic
    def operation(typing, x, y):
        def generate(context, builder, signature, arguments):
            return getattr(builder, instruction)(*(_spread(builder, argument) for argument in arguments))

        return VECTOR(x, y), generate

    def implement(x, y):
        if x == VECTOR and y in (VECTOR, types.float32):
            return lambda x, y: operation(x, y)

    return implement


for _operator, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
):
    overload(_operator)(_operation(_instruction))


def put(array, i, x):
    """array[i] = x, a single number, rounded where the array is bfloat16."""


@overload(put)
def _put(array, i, x):
    if is_rounded(array):
        return lambda array, i, x: _write(array, _place(i, i + 1), vector(x))

    def implement(array, i, x):
        array[i] = x

    return implement


@intrinsic
def multiply_add(typing, x, y, z):
    """x · y + z of vectors, rounded once; y and z may be single numbers."""

    def generate(context, builder, signature, arguments):
        vectors = [_spread(builder, argument) for argument in arguments]
        return _call(builder, f"fma.v{SIDE}f32", _FLOATS, *vectors)

    return VECTOR(x, y, z), generate


@intrinsic
def vector(typing, x):
    """A vector of equal numbers."""

    def generate(context, builder, signature, arguments):
        return _spread(builder, arguments[0])

    return VECTOR(x), generate


@intrinsic
def clamped(typing, x, limit):
    """x, at most ``limit`` away from 0; NaN stays NaN. limit: a single number."""

    def generate(context, builder, signature, arguments):
        x, limit = (_spread(builder, argument) for argument in arguments)
        lowest = builder.fsub(ir.Constant(_FLOATS, None), limit)
        x = builder.select(builder.fcmp_ordered(">", x, limit), limit, x)
        return builder.select(builder.fcmp_ordered("<", x, lowest), lowest, x)

    return VECTOR(x, limit), generate


@intrinsic
def within(typing, x, place, rest):
    """The numbers of x that a row has at this place; the single number ``rest`` in place of the others."""

    def generate(context, builder, signature, arguments):
        x, place, rest = arguments
        _, left = _left(context, builder, place)
        return _either(builder, left, lambda: x, lambda mask: builder.select(mask, x, _spread(builder, rest)))

    return VECTOR(x, place, rest), generate


def _larger(builder, x, y):
    return builder.select(builder.fcmp_ordered(">", y, x), y, x)


@intrinsic
def larger(typing, x, y):
    """The larger number of each pair; a NaN in y is skipped."""

    def generate(context, builder, signature, arguments):
        return _larger(builder, *arguments)

    return VECTOR(x, y), generate


def _fold(combine):
    """An intrinsic that makes one number of a vector: each of its halves with the other, until one number is left."""

    @intrinsic
    def fold(typing, x):
        def generate(context, builder, signature, arguments):
            (x,), width = arguments, SIDE
            while width > 1:
                width //= 2
                halves = (
                    ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(start, start + width)))
                    for start in (0, width)
                )
                x = combine(builder, *(builder.shuffle_vector(x, x, half) for half in halves))
            return builder.extract_element(x, ir.IntType(32)(0))

        return types.float32(x), generate

    return fold


largest_of = _fold(_larger)
sum_of = _fold(lambda builder, x, y: builder.fadd(x, y))


@intrinsic
def inverse(typing, x):
    """1/x, to 14 bits."""

    def generate(context, builder, signature, arguments):
        every = ir.Constant(ir.IntType(16), 0xFFFF)
        return _call(builder, "x86.avx512.rcp14.ps.512", _FLOATS, *arguments, ir.Constant(_FLOATS, None), every)

    return VECTOR(x), generate


@intrinsic
def nearest(typing, x):
    """The integer next to each number, as float32."""

    def generate(context, builder, signature, arguments):
        return _call(builder, f"nearbyint.v{SIDE}f32", _FLOATS, *arguments)

    return VECTOR(x), generate


@intrinsic
def scaled(typing, x, n):
    """x · 2ⁿ for integers n, as float32."""

    def generate(context, builder, signature, arguments):
        every, rounding = ir.Constant(ir.IntType(16), 0xFFFF), ir.Constant(ir.IntType(32), 4)
        x, n = arguments
        return _call(
            builder, "x86.avx512.mask.scalef.ps.512", _FLOATS, x, n, ir.Constant(_FLOATS, None), every, rounding
        )

    return VECTOR(x, n), generate


def _spread(builder, value):
    """A single number as a vector; a vector as it is."""
    if isinstance(value.type, ir.VectorType):
        return value
    single = ir.Constant(ir.VectorType(value.type, SIDE), ir.Undefined)
    single = builder.insert_element(single, value, ir.IntType(32)(0))
    return builder.shuffle_vector(single, single, ir.Constant(_WORDS, [0] * SIDE))


@intrinsic
def _widened(typing, half):
    def generate(context, builder, signature, arguments):
        wide = builder.zext(arguments[0], ir.IntType(32))
        return builder.bitcast(builder.shl(wide, ir.IntType(32)(16)), ir.FloatType())

    return types.float32(types.uint16), generate


def number(x):
    """x, or the float32 that a bfloat16 stands for."""


@overload(number)
def _number(x):
    if x == types.uint16:
        return lambda x: _widened(x)
    return lambda x: x
