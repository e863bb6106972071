"""The gradients of weights where the rows are those of several shards: a sum for each shard, and the sum of these along
a tree (``network/sharding.py``).

There are L shards, a power of two. Row r of a flattened array (T · N, W) belongs to shard r mod L; so in the same
memory as (R, L · W), a shard has a column of width W. The sums over the rows of a shard run in order, exactly as if it
were alone. Their sum along the tree needs few numbers at a time. Partial sums stand in slots, one above the other, as
the digits of a binary counter: shard s goes into the slot whose number is that of the ones in s, and then each two sums
of equally many shards become one, in the lower slot. Slot 0 is the result.

A kernel takes so few rows and columns of a gradient at a time that its slots stay in the cache.
"""

import numpy as np

from .bfloat16 import ACROSS, multiply_transposed_pairs
from .compiling import apart, compiled, inlined, internal
from .sixteen import number
from .tile import multiply_transposed, workspace

SLOTS = 11  # enough for 1,024 shards
ROWS_AT_ONCE = ACROSS  # rows of a gradient whose slots are used together
COLUMNS_AT_ONCE = 256  # columns of a gradient, likewise


@inlined
def _slot(shard):
    """The slot of a shard: how many ones the number has."""
    ones = 0
    while shard:
        ones += shard & 1
        shard >>= 1
    return ones


@apart
def add_slots(result, column, slots, shard, rows, columns):
    """After a shard has been put into its slot: add up each two slots of equally many shards.

    result  [≥ rows, ≥ column + columns]   in/out   slot 0, from the given column on
    slots   [slots, ≥ rows, ≥ columns]     in/out   slot 1 and the others
    """
    slot = _slot(shard)
    while shard & 1:
        for i in range(rows):
            source = slots[slot - 1, i, :columns]
            target = slots[slot - 2, i, :columns] if slot > 1 else result[i, column : column + columns]
            for j in range(columns):
                target[j] += source[j]
        slot -= 1
        shard >>= 1


@compiled
def sort_tokens(ids, each, width, step, shards, starts, offsets, of_shard):
    """Sort the tokens that rows see: by token, then by shard, then as they stand.

    ids       [R · each] int32   in    the token in each of ``each`` places of a row; -1 for none
    width, step                        the row r has its part for place k from the number r · width + k · step on
    shards                             L; row r belongs to shard r mod L
    starts    [V+1] int64        out   where the entries of each token begin, and where the last ones end
    offsets   [R · each] int64   out   of each entry: the number from which on it has its part
    of_shard  [R · each] int32   out   its shard
    """
    starts[:] = 0
    for i in range(ids.size):
        if ids[i] >= 0:
            starts[ids[i] + 1] += 1
    for token in range(starts.size - 1):
        starts[token + 1] += starts[token]
    for shard in range(shards):
        for r in range(shard, ids.size // each, shards):
            for k in range(each):
                token = ids[r * each + k]
                if token >= 0:
                    offsets[starts[token]], of_shard[starts[token]] = r * width + k * step, shard
                    starts[token] += 1
    for token in range(starts.size - 1, 0, -1):  # each start has moved to the next one
        starts[token] = starts[token - 1]
    starts[0] = 0


@inlined
def _level(shard, another):
    """How high above two shards the tree joins them."""
    level, differs = 0, shard ^ another
    while differs:
        level += 1
        differs >>= 1
    return level


@internal
def _add_row(target, source):
    for j in range(target.size):
        target[j] += number(source[j])


@apart
def sum_tokens(source, starts, offsets, of_shard, table, start, stop):
    """Each row of the table becomes the sum, along the tree of the shards, of what belongs to its token; 0 for none.

    A shard that does not see a token is left out; its sum would be 0.

    source                     [numbers]       in
    starts, offsets, of_shard                  in    see ``sort_tokens``
    table                      [V, columns]    out

    Columns [start, stop) are read and written.
    """
    slots, levels = workspace(table.dtype, SLOTS, COLUMNS_AT_ONCE), workspace(np.int64, 1, SLOTS)[0]
    for j in range(start, stop, COLUMNS_AT_ONCE):
        end = min(j + COLUMNS_AT_ONCE, stop)
        for token in range(starts.size - 1):
            entry, last, slot, before = starts[token], starts[token + 1], 0, 0
            table[token, j:end] = 0
            while entry < last or slot > 1:
                level = _level(before, of_shard[entry]) if entry < last else SLOTS
                while slot > 1 and levels[slot - 1] < level:  # the level at which a slot joins the one below
                    slot -= 1
                    _add_row(slots[slot - 1, : end - j] if slot > 1 else table[token, j:end], slots[slot, : end - j])
                if entry < last:
                    before, levels[slot] = of_shard[entry], level
                    sums = slots[slot, : end - j] if slot else table[token, j:end]
                    sums[:] = 0
                    while entry < last and of_shard[entry] == before:
                        _add_row(sums, source[offsets[entry] + j : offsets[entry] + end])
                        entry += 1
                    slot += 1


@apart
def sum_rows_of_shards(values, shards, slots, total, start, stop):
    """total[j] = Σ values[r, j] along the tree of L shards. R = T · N / L.

    values  [R, L · W]                   in
    shards                                     L
    slots   [≥ log₂ L, 1, ≥ stop - start]        working memory
    total   [columns]                    out

    Columns [start, stop) are read and written.
    """
    width, columns = values.shape[1] // shards, stop - start
    for shard in range(shards):
        slot = _slot(shard)
        sums = slots[slot - 1, 0, :columns] if slot else total[start:stop]
        sums[:] = 0
        for r in range(values.shape[0]):
            source = values[r, shard * width + start : shard * width + stop]
            for j in range(columns):
                sums[j] += number(source[j])
        add_slots(total.reshape(1, -1), start, slots, shard, 1, columns)


@apart
def _add_tokens(source, starts, offsets, of_shard, shard, first, target, column, start, stop):
    """target[token - first, column:] += what belongs to each token in one shard, the columns [start, stop). target has
    the tokens from ``first`` on."""
    for row in range(target.shape[0]):
        for entry in range(starts[first + row], starts[first + row + 1]):
            if of_shard[entry] == shard:
                more = source[offsets[entry] + start : offsets[entry] + stop]
                _add_row(target[row, column : column + stop - start], more)


@inlined
def _all_sums(product, a, x, dz, shards, source, seen, adds, a_column, dW_a, dW_x, db, slots, start, stop):
    """``sharded_gradients`` with the given transposed product. seen: starts, offsets and of_shard."""
    starts, offsets, of_shard = seen
    width, x_columns = dz.shape[1] // shards, dW_x.shape[1]
    j = start
    while j < stop:
        end = min(j + COLUMNS_AT_ONCE, stop)
        if j < a_column:
            end = min(end, a_column)
        if j < x_columns:
            end = min(end, x_columns)
        for dense in range(2):
            left, dW, column = (a, dW_a, a_column) if dense == 0 else (x, dW_x, 0)
            if not (column <= j < column + dW.shape[1] and left.size):
                continue
            parts = (dW.shape[0] + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE
            for part in range(parts):
                begin, after = dW.shape[0] * part // parts, dW.shape[0] * (part + 1) // parts
                for shard in range(shards):
                    slot, target, first = _slot(shard), dW[begin:after], j - column
                    if slot:
                        target, first = slots[slot - 1, : after - begin], 0
                    x_start, z_start = shard * (left.shape[1] // shards) + begin, shard * width + j - first
                    product(left, x_start, dz, z_start, target, first, first + end - j, False)
                    if adds:
                        _add_tokens(source, starts, offsets, of_shard, shard, begin, target, first, j, end)
                    add_slots(dW[begin:after], j - column, slots, shard, after - begin, end - j)
        if starts.size and not adds and j < x_columns:
            sum_tokens(dz.reshape(-1), starts, offsets, of_shard, dW_x, j, end)
        sum_rows_of_shards(dz, shards, slots, db, j, end)
        j = end


@compiled
def sharded_gradients(
    a, x, dz, shards, source, starts, offsets, of_shard, adds, a_column, dW_a, dW_x, db, slots, start, stop
):
    """``gradients.layer_gradients`` along the tree of L shards. R = T · N / L.

    a         [R, L · A]           in        A ≥ H; of each shard the first H of its A columns
    x         [R, L · D]           in        dense input; no rows for one-hot input
    dz        [R, L · Z]           in        Z ≥ columns
    shards                                   L
    source    [numbers]            in        with ``adds`` what belongs to the tokens, in the type of dW_a
    starts, offsets, of_shard      in        one-hot input: its tokens, see ``sort_tokens``, to which rows of dz belong;
                                             no ``starts`` for dense input
    adds                                     the tokens have no table of their own: what belongs to a token is added to
                                             its row of each shard's part of dW_a (tied weights)
    a_column                                 the first column of dz that belongs to W_a; W_x has the columns from 0 on
    dW_a      [H, a_columns]       out
    dW_x      [D, x_columns]       out       for one-hot input D = V
    db        [columns]            out
    slots     [≥ log₂ L, ROWS_AT_ONCE, COLUMNS_AT_ONCE]   working memory

    Columns [start, stop) are read and written. The inputs may overlap each other, the outputs nothing.
    """
    seen = starts, offsets, of_shard
    _all_sums(multiply_transposed, a, x, dz, shards, source, seen, adds, a_column, dW_a, dW_x, db, slots, start, stop)


@compiled
def sharded_gradients_in_pairs(
    a, x, dz, shards, source, starts, offsets, of_shard, adds, a_column, dW_a, dW_x, db, slots, start, stop
):
    """The same contract; the operands of the products are rounded to bfloat16."""
    seen = starts, offsets, of_shard
    _all_sums(
        multiply_transposed_pairs, a, x, dz, shards, source, seen, adds, a_column, dW_a, dW_x, db, slots, start, stop
    )
