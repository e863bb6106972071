"""The matrix product: a tile of the result held in registers, and the loops around it.

    C[i, j] += Σ_k A[i, k] B[k, j]

A tile is ROWS × (VECTORS · lanes) numbers of C. For each k it loads VECTORS vectors of B once and, for each of its
rows, one number of A that is multiplied into all of them: ROWS · VECTORS multiply-adds for VECTORS + ROWS loads. B is
packed beforehand into *panels* of VECTORS · lanes columns and, for what is left over, *slivers* of one vector, the
last one padded with zeros. A panel keeps its rows one after the other, so the tile reads it in a straight line.

Each number of C is one chain of fused multiply-adds with k in order, whatever the shape of the tile, the lanes, or the
split of the rows over threads: every split gives the same bits.

All of this also holds for pairs of bfloat16 instead of single numbers of A and B; bfloat16.py makes the pairs.

Plain loops in numba reach a tenth of this: LLVM cannot prove that the arrays do not overlap.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from .compiling import LANES, apart, compiled
from .prefetch import LINE, prefetch

ROWS = 6
# AVX has 16 vector registers; AVX-512 and NEON have 32. x86 without AVX has 4 lanes like NEON, but 16 registers: there
# some sums of a tile do not fit into registers, which takes time and changes no bit.
VECTORS = 2 if LANES == 8 else 4
PANEL = VECTORS * LANES  # columns of a panel of float32; a multiple of one of float64
FAR = 2048  # columns of a matrix whose rows below each other the processor does not fetch by itself
DEPTH = 2048 // LANES  # rows of a panel used together: at most 32 KB of float32, about a first-level cache


def lanes(array):
    """How many numbers of the array's type one vector register holds."""


@overload(lanes)
def _lanes(array):
    number = LANES * 32 // array.dtype.bitwidth
    return lambda array: number


def _element(context, builder, array_type, array, row, column):
    """The address of array[row, column], and the bytes from one row and one column to the next."""
    view = cgutils.create_struct_proxy(array_type)(context, builder, value=array)
    row_stride, column_stride = cgutils.unpack_tuple(builder, view.strides, 2)
    offset = builder.add(builder.mul(row, row_stride), builder.mul(column, column_stride))
    return builder.add(builder.ptrtoint(view.data, row.type), offset), row_stride, column_stride


class _Vectors:
    """The few LLVM instructions on vectors that the tile is made of."""

    def __init__(self, builder, scalar, number, size):
        self.builder, self.number, self.size = builder, number, size
        self.scalar, self.type = scalar, ir.VectorType(scalar, number)
        self.suffix = f"v{number}{'i' if isinstance(scalar, ir.IntType) else 'f'}{8 * size}"
        self.zero = ir.Constant(self.type, None)
        self.alignment = ir.Constant(ir.IntType(32), size)

    def pointer(self, address, kind=None):
        return self.builder.inttoptr(address, (kind or self.type).as_pointer())

    def splat(self, value):
        numbers = ir.VectorType(value.type, self.number)
        single = self.builder.insert_element(ir.Constant(numbers, ir.Undefined), value, ir.IntType(32)(0))
        return self.choose(single, single, [0] * self.number)

    def choose(self, x, y, positions):
        """The numbers at these positions of x's numbers followed by y's."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(positions)), positions)
        return self.builder.shuffle_vector(x, y, mask)

    def call(self, name, result, *arguments):
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}")
        return self.builder.call(function, arguments)

    def multiply_add(self, x, y, z):
        """x · y + z, rounded once; of pairs of bfloat16, x₁ · y₁ + z and then x₀ · y₀ more."""
        if x.type == z.type:
            return self.call(f"fma.{self.suffix}", self.type, x, y, z)
        return self.call("x86.avx512bf16.dpbf16ps.512", self.type, z, x, y)

    def load(self, address, mask=None):
        pointer = self.pointer(address)
        if mask is None:
            return self.builder.load(pointer, align=self.size)
        return self.call(f"masked.load.{self.suffix}.p0", self.type, pointer, self.alignment, mask, self.zero)

    def store(self, value, address, mask=None):
        pointer = self.pointer(address)
        if mask is None:
            return self.builder.store(value, pointer, align=self.size)
        return self.call(f"masked.store.{self.suffix}.p0", ir.VoidType(), value, pointer, self.alignment, mask)


@intrinsic(prefer_literal=True)
def tile(typing, rows, vectors, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, wanted):
    """C[c_row:+rows, c_column:+vectors·lanes] (+)= A[a_row:+rows, :depth] · the panel that begins at B[b_start]

    rows, vectors   literals: the size of the tile
    A               [rows of A, ≥ depth]     in      any strides
    B               [numbers of B]           in      one row of the panel stands b_step numbers after the row before it
    C               [rows of C, columns]     out     adjacent columns; in/out with ``accumulate``
    wanted          the literal 0: whole vectors are read and written; else the numbers of each vector that are

    A, B and C have one float type, or C is float32 and A and B are pairs of bfloat16 (uint32). A may also be bfloat16
    (uint16), whose pairs stand next to each other along a row; ``depth`` counts pairs.
    """
    masked = not (isinstance(wanted, types.IntegerLiteral) and wanted.literal_value == 0)
    index = types.intp
    signature = types.void(
        rows,
        vectors,
        A,
        index,
        B,
        index,
        index,
        C,
        index,
        index,
        index,
        types.boolean,
        index if masked else wanted,
    )

    def generate(context, builder, signature, arguments):
        _, _, a, a_row, b, b_start, b_step, c, c_row, c_column, depth, accumulate, wanted = arguments
        size, word = C.dtype.bitwidth // 8, depth.type
        operand, vector = (
            _Vectors(builder, context.get_data_type(array.dtype), LANES * 4 // size, size) for array in (B, C)
        )
        step = vector.number * size

        def at(address, stride, times):
            return builder.add(address, builder.mul(stride, ir.Constant(word, times)))

        one, vector_stride = ir.Constant(word, 1), ir.Constant(word, step)
        a_start, a_stride, a_step = _element(context, builder, signature.args[2], a, a_row, ir.Constant(word, 0))
        a_step = builder.mul(a_step, ir.Constant(word, size * 8 // A.dtype.bitwidth))
        c_start, c_stride, _ = _element(context, builder, signature.args[7], c, c_row, c_column)
        b_view = cgutils.create_struct_proxy(signature.args[4])(context, builder, value=b)
        b_start = at(builder.ptrtoint(b_view.data, word), b_start, size)
        mask = None
        if masked:
            numbers = ir.Constant(ir.VectorType(word, vector.number), list(range(vector.number)))
            mask = builder.icmp_signed("<", numbers, vector.splat(wanted))

        addresses = [
            at(at(c_start, c_stride, row), vector_stride, v)
            for row in range(rows.literal_value)
            for v in range(vectors.literal_value)
        ]
        begin = [builder.select(accumulate, vector.load(address, mask), vector.zero) for address in addresses]
        before, loop, after = builder.block, builder.append_basic_block("tile"), builder.append_basic_block("tiled")
        builder.branch(loop)

        builder.position_at_end(loop)
        k, a_now, b_now = (builder.phi(word) for _ in range(3))
        sums = [builder.phi(vector.type) for _ in addresses]
        panel = [operand.load(at(b_now, vector_stride, v), mask) for v in range(vectors.literal_value)]
        results = []
        for row in range(rows.literal_value):
            place = operand.pointer(at(a_now, a_stride, row), operand.scalar)
            number = operand.splat(builder.load(place, align=A.dtype.bitwidth // 8))
            for weights in panel:
                results.append(vector.multiply_add(number, weights, sums[len(results)]))
        following = [
            builder.add(k, one),
            builder.add(a_now, a_step),
            builder.add(b_now, builder.mul(b_step, ir.Constant(word, size))),
            *results,
        ]
        starting = [ir.Constant(word, 0), a_start, b_start, *begin]
        for value, start, then in zip([k, a_now, b_now, *sums], starting, following, strict=True):
            value.add_incoming(start, before)
            value.add_incoming(then, loop)
        builder.cbranch(builder.icmp_signed("<", following[0], depth), loop, after)

        builder.position_at_end(after)
        for address, result in zip(addresses, results, strict=True):
            vector.store(result, address, mask)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _transpose(typing, B, row, column, packed, start, step):
    """packed[start + k · step + i] = B[row + i, column + k] for i, k < lanes.

    B       [rows, columns]   in    adjacent columns
    packed  [numbers]         out
    """

    def generate(context, builder, signature, arguments):
        b, row, column, packed, start, step = arguments
        size, word = B.dtype.bitwidth // 8, row.type
        vector = _Vectors(builder, context.get_data_type(B.dtype), LANES * 4 // size, size)
        source, stride, _ = _element(context, builder, B, b, row, column)
        view = cgutils.create_struct_proxy(signature.args[3])(context, builder, value=packed)
        target = builder.add(builder.ptrtoint(view.data, word), builder.mul(start, word(size)))
        rows = [vector.load(builder.add(source, builder.mul(stride, word(i)))) for i in range(vector.number)]
        distance, positions = 1, range(vector.number)
        while distance < vector.number:  # exchange the off-diagonal quarters of each square of twice the distance
            above = [k if not k & distance else k - distance + vector.number for k in positions]
            below = [k + distance if not k & distance else k + vector.number for k in positions]
            for i in positions:
                if not i & distance:
                    pair = rows[i], rows[i + distance]
                    rows[i], rows[i + distance] = vector.choose(*pair, above), vector.choose(*pair, below)
            distance *= 2
        for k, row in enumerate(rows):
            vector.store(row, builder.add(target, builder.mul(step, word(k * size))))
        return context.get_dummy_value()

    return types.void(B, types.intp, types.intp, packed, types.intp, types.intp), generate


@intrinsic(prefer_literal=True)
def workspace(typing, kind, rows, columns):
    """Memory on the thread's stack, gone when the kernel ends: [rows, columns] of the type ``kind``, not initialised.

    rows and columns are literals.
    """
    array = types.Array(kind.dtype, 2, "C")

    def generate(context, builder, signature, arguments):
        shape, size = (rows.literal_value, columns.literal_value), kind.dtype.bitwidth // 8
        with builder.goto_entry_block():
            memory = builder.alloca(context.get_data_type(kind.dtype), shape[0] * shape[1])
        memory.align = LINE
        made = context.make_array(array)(context, builder)
        context.populate_array(
            made,
            data=memory,
            shape=[context.get_constant(types.intp, number) for number in shape],
            strides=[context.get_constant(types.intp, number) for number in (size * shape[1], size)],
            itemsize=context.get_constant(types.intp, size),
            meminfo=None,
        )
        return made._getvalue()

    return array(kind, rows, columns), generate


@compiled
def pack(B, transposed, packed, start, stop):
    """Pack columns of B, or of Bᵀ, into the panels that ``multiply`` reads.

    B       [K, columns], or [columns, K] if ``transposed``   in
    packed  [≥ ``packed_size(B, K, columns)``]                out

    Columns [start, stop) are packed, start a multiple of PANEL. Where a panel stands does not depend on the range.
    """
    depth = B.shape[1] if transposed else B.shape[0]
    side = lanes(B)
    j = start
    while j < stop:
        width = VECTORS * side if stop - j >= VECTORS * side else side
        present = min(width, stop - j)
        panel = packed[j * depth : (j + width) * depth]
        if present < width:
            panel[:] = 0
        if transposed:
            for i in range(0, present, side):
                whole = depth - depth % side if i + side <= present else 0
                for k in range(0, whole, side):
                    _transpose(B, j + i, k, panel, k * width + i, width)
                for k in range(whole, depth):
                    for row in range(i, min(i + side, present)):
                        panel[k * width + row] = B[j + row, k]
        else:
            for k in range(depth):
                source, row = B[k, j : j + present], panel[k * width : k * width + present]
                for i in range(present):
                    row[i] = source[i]
        j += width


def packed_size(array, depth, columns):
    """How many numbers a packed matrix of this shape, in the type of ``array``, takes."""
    vector = LANES * 4 // array.dtype.itemsize
    return depth * (-(-columns // vector) * vector)


@intrinsic
def _once(typing):
    """Forbid LLVM to inline the kernel that calls this: the kernel is too large."""

    def generate(context, builder, signature, arguments):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


@apart
def multiply_rows(A, a_row, depth, B, b_start, b_step, C, c_row, c_column, rows, accumulate, wanted):
    """C[c_row:+rows, c_column:+panel] (+)= A[a_row:+rows, :depth] · one panel (wanted = 0) or one sliver of B

    A, B, C, accumulate, wanted: as in ``tile``. The rows are split as evenly as ROWS allows, so that no tile of one row
    is left over.

    ``tile`` needs literals for its size, and numba sees a literal only where the source has one. So each size has its
    own call.
    """
    _once()
    blocks = (rows + ROWS - 1) // ROWS
    for block in range(blocks):
        count = rows // blocks + (block < rows % blocks)
        if block + 1 < blocks and C.shape[1] > FAR:
            prefetch(C, c_row + count, c_column, count, VECTORS * lanes(C) if wanted == 0 else 1)
        if wanted == 0:
            if count == 6:
                tile(6, VECTORS, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, 0)
            elif count == 5:
                tile(5, VECTORS, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, 0)
            elif count == 4:
                tile(4, VECTORS, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, 0)
            elif count == 3:
                tile(3, VECTORS, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, 0)
            elif count == 2:
                tile(2, VECTORS, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, 0)
            else:
                tile(1, VECTORS, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, 0)
        elif count == 6:
            tile(6, 1, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, wanted)
        elif count == 5:
            tile(5, 1, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, wanted)
        elif count == 4:
            tile(4, 1, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, wanted)
        elif count == 3:
            tile(3, 1, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, wanted)
        elif count == 2:
            tile(2, 1, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, wanted)
        else:
            tile(1, 1, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, wanted)
        a_row += count
        c_row += count


def product(A, a_column, depth, B, C, c_column, columns, start, stop, accumulate):
    """The implementation of ``multiply``; numba chooses it by the type of B."""


@apart
def multiply(A, a_column, depth, B, C, c_column, columns, start, stop, accumulate):
    """C[t, start:stop, c_column:+columns] (+)= A[t, start:stop, a_column:+depth] · B for every t of C

    A  [T, N, ≥ a_column + depth]    in    adjacent columns
    B  packed [depth, columns]       in    by ``pack``, or by ``bfloat16.pack_pairs`` for a product in bfloat16
    C  [T, N, ≥ c_column + columns]  out   in/out with ``accumulate``

    Rows [start, stop) of each step are read and written. A and C may not overlap.
    """
    product(A, a_column, depth, B, C, c_column, columns, start, stop, accumulate)


def multiply_floats(A, a_column, depth, B, C, c_column, columns, start, stop, accumulate):
    """``multiply`` in the type of A: it uses a part of a panel for all steps and rows before it fetches the next. It
    wears no decorator, because ``@overload`` makes it a part of ``multiply``."""
    panel_width = VECTORS * lanes(A)
    j = 0
    while j < columns:
        whole = columns - j >= panel_width
        width = panel_width if whole else lanes(A)
        wanted = 0 if whole else min(width, columns - j)
        for k in range(0, depth, DEPTH):
            for t in range(C.shape[0]):
                multiply_rows(
                    A[t][:, a_column + k :],
                    start,
                    min(DEPTH, depth - k),
                    B,
                    j * depth + k * width,
                    width,
                    C[t],
                    start,
                    c_column + j,
                    stop - start,
                    accumulate or k > 0,
                    wanted,
                )
        j += width


@overload(product)
def _product_of_floats(A, a_column, depth, B, C, c_column, columns, start, stop, accumulate):
    if B.dtype == A.dtype:
        return multiply_floats


@apart
def multiply_transposed(X, x_column, dZ, dz_column, dW, start, stop, accumulate):
    """dW[:, start:stop] (+)= X[:, x_column:+K]ᵀ · dZ[:, dz_column + start : dz_column + stop]: the gradient of W in
    Z = X · W

    X   [R, ≥ x_column + K]          in
    dZ  [R, ≥ dz_column + columns]   in
    dW  [K, columns]                 out   in/out with ``accumulate``

    Columns [start, stop) of dW are read and written. The sum over the R rows runs in order. dZ is not packed: packing
    took longer than it saved, because each number is used for K rows only.
    """
    panel_width = VECTORS * lanes(X)
    step, B = dZ.shape[1], dZ.reshape(-1)
    for k in range(0, X.shape[0], DEPTH):
        depth, more = min(DEPTH, X.shape[0] - k), accumulate or k > 0
        left = X[k : k + depth, x_column:].T
        j = start
        while j < stop:
            whole = stop - j >= panel_width
            width = panel_width if whole else lanes(X)
            wanted = 0 if whole else min(width, stop - j)
            prefetch(dZ[k : k + depth], 0, dz_column + j + width, depth, panel_width)
            if 0 < wanted <= ROWS:
                above, x_start = dZ[k : k + depth, 0:].T, k * X.shape[1] + x_column
                few_columns(above, dz_column + j, wanted, depth, X.reshape(-1), x_start, X.shape[1], dW, 0, j, more)
            else:
                z_start = k * step + dz_column + j
                multiply_rows(left, 0, depth, B, z_start, step, dW, 0, j, dW.shape[0], more, wanted)
            j += width


@apart
def few_columns(A, a_row, count, depth, B, b_start, b_step, C, c_row, c_column, accumulate):
    """C[c_row:, c_column:+count] (+)= (A[a_row:+count, :depth] · B)ᵀ for a count up to ROWS

    Vectors lie along the rows of C: along so few columns they would be nearly empty.

    A  [rows of A, ≥ depth]           in    any strides
    B  [numbers of B]                 in    not packed: rows of b_step numbers, the first one at b_start
    C  [c_row + rows, columns]        out   in/out with ``accumulate``; rows, taken from its shape, is at most b_step
    """
    square = workspace(C.dtype, ROWS, PANEL)
    rows, panel_width = C.shape[0] - c_row, VECTORS * lanes(B)
    i = 0
    while i < rows:
        whole = rows - i >= panel_width
        width = panel_width if whole else lanes(B)
        present = min(width, rows - i)
        target = C[c_row + i : c_row + i + present, c_column : c_column + count]
        for row in range(present):
            for column in range(count):
                square[column, row] = target[row, column]
        wanted = 0 if whole else present
        multiply_rows(A, a_row, depth, B, b_start + i, b_step, square, 0, 0, count, accumulate, wanted)
        for row in range(present):
            for column in range(count):
                target[row, column] = square[column, row]
        i += width
