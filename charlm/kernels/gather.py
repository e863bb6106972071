"""One-hot input without the zeros: W_x x is the row of W_x that x names, and the gradient is added to that row. An
embedding works the same way. Also: sequences in reverse order, for bidirectional layers."""

from .compiling import apart, compiled
from .sixteen import number


@compiled
def gather(tokens, table, out, t, start, stop):
    """out[0, n, :columns] = table[tokens[t, n]] for one step t; does nothing where ``tokens`` is empty.

    tokens  [T, N] int32        in    [0, N] for nothing to do
    table   [V, columns]        in
    out     [1, N, ≥ columns]   out

    Rows [start, stop) are read and written.
    """
    if tokens.size:
        for n in range(start, stop):
            source, target = table[tokens[t, n]], out[0, n]
            for i in range(source.size):
                target[i] = source[i]


@apart
def scatter_add(tokens, gradient, d_table, start, stop):
    """d_table[tokens[r], j] += gradient[r, j] for every row r, in order.

    tokens    [R] int32        in
    gradient  [R, ≥ columns]   in       float, or bfloat16
    d_table   [V, columns]     in/out

    Columns [start, stop) are read and written.
    """
    for r in range(tokens.shape[0]):
        source, target = gradient[r, start:stop], d_table[tokens[r], start:stop]
        for i in range(source.size):
            target[i] += number(source[i])


@compiled
def embed(tokens, E, x, start, stop):
    """x[t, row] = E[tokens[t, row]]. A network that sees n tokens gets the embeddings of the last n in one row, the
    latest first.

    tokens  [n-1+T, N] int32   in    the n-1 tokens before the first step come first; -1 for none, whose part is 0
    E       [V, D]             in
    x       [T, N, n·D]        out

    Rows [start, stop) are read and written.
    """
    n, D = tokens.shape[0] - x.shape[0] + 1, E.shape[1]
    for t in range(x.shape[0]):
        for row in range(start, stop):
            for k in range(n):
                token, part = tokens[t + n - 1 - k, row], x[t, row, k * D : (k + 1) * D]
                if token >= 0:
                    embedding = E[token]
                    for i in range(D):
                        part[i] = embedding[i]
                else:
                    part[:] = 0


@compiled
def embed_gradient(tokens, dx, dE, start, stop):
    """dE[token, j] += dx[t, row, j] for every token that a step sees, steps in order.

    tokens  [n-1+T, N] int32   in       as in ``embed``
    dx      [T, N, n·D]        in
    dE      [V, D]             in/out

    All rows and the columns [start, stop) of dE are read and written.
    """
    n, D = tokens.shape[0] - dx.shape[0] + 1, dE.shape[1]
    for t in range(dx.shape[0]):
        for row in range(dx.shape[1]):
            for k in range(n):
                token, part = tokens[t + n - 1 - k, row], dx[t, row, k * D + start : k * D + stop]
                if token >= 0:
                    d_embedding = dE[token, start:stop]
                    for i in range(part.size):
                        d_embedding[i] += part[i]


@apart
def sum_rows(values, total, start, stop, accumulate):
    """total[j] = Σ_r values[r, j], r in order; with ``accumulate`` the sum is added to total.

    values  [R, ≥ columns]   in    float, or bfloat16
    total   [columns]        out; in/out with ``accumulate``

    Columns [start, stop) are read and written.
    """
    target = total[start:stop]
    if not accumulate:
        target[:] = 0
    for r in range(values.shape[0]):
        source = values[r, start:stop]
        for i in range(source.size):
            target[i] += number(source[i])


@compiled
def reverse(source, source_column, lengths, target, target_column, columns, add, start, stop):
    """Reverse the steps of each row: target[t, n, j] = source[lengths[n] - 1 - t, n, j], or += with ``add``.

    Steps from lengths[n] on are copied without a change of order, so that lengths of 0 copy everything as it stands.

    source   [T, N, ≥ source_column + columns]   in    j counts from source_column
    lengths  [N]                                 in    at most T
    target   [T, N, ≥ target_column + columns]   out   j counts from target_column; in/out with ``add``

    Rows [start, stop) are read and written. source and target may not overlap.
    """
    for t in range(source.shape[0]):
        for n in range(start, stop):
            step = lengths[n] - 1 - t if t < lengths[n] else t
            read = source[step, n, source_column : source_column + columns]
            written = target[t, n, target_column : target_column + columns]
            if add:
                for j in range(columns):
                    written[j] += read[j]
            else:
                for j in range(columns):
                    written[j] = read[j]
