"""One-hot input without the zeros: W_x x is the row of W_x that x names, and its gradient is added to that row; an
embedding likewise. And sequences read from their ends, for layers that go both ways."""

from .compiling import compiled


@compiled
def gather(tokens, table, out, t, first, last):
    """out[t, n, :columns] = table[tokens[t, n]] for the rows first…last-1; nothing where ``tokens`` is empty.

    tokens: (T, N) or empty; table: (V, columns); out: (T, N, ≥ columns).
    """
    if tokens.size:
        for n in range(first, last):
            source, target = table[tokens[t, n]], out[t, n]
            for i in range(source.size):
                target[i] = source[i]


@compiled
def scatter_add(tokens, gradient, d_table, first, last):
    """d_table[tokens[r], j] += gradient[r, j] for every row r, in order, and the columns first…last-1.

    tokens: (R); gradient: (R, ≥ columns); d_table: (V, columns).
    """
    for r in range(tokens.shape[0]):
        source, target = gradient[r, first:last], d_table[tokens[r], first:last]
        for i in range(source.size):
            target[i] += source[i]


@compiled
def embed(tokens, E, x, first, last):
    """x[t, row] = E[tokens[t, row]] for the rows first…last-1; for a network that sees n tokens the rows of the last n
    side by side, the latest first.

    tokens: (n-1+T, N), with those before the first step, -1 for nothing, whose row is 0; E: (V, D); x: (T, N, n·D).
    """
    n, D = tokens.shape[0] - x.shape[0] + 1, E.shape[1]
    for t in range(x.shape[0]):
        for row in range(first, last):
            for k in range(n):
                token, place = tokens[t + n - 1 - k, row], x[t, row, k * D : (k + 1) * D]
                if token >= 0:
                    embedding = E[token]
                    for i in range(D):
                        place[i] = embedding[i]
                else:
                    place[:] = 0


@compiled
def embed_gradient(tokens, dx, dE, first, last):
    """dE[token, j] += dx[t, row, j] for every token that is seen, steps in order, and the columns first…last-1 of E."""
    n, D = tokens.shape[0] - dx.shape[0] + 1, dE.shape[1]
    for t in range(dx.shape[0]):
        for row in range(dx.shape[1]):
            for k in range(n):
                token, place = tokens[t + n - 1 - k, row], dx[t, row, k * D + first : k * D + last]
                if token >= 0:
                    d_embedding = dE[token, first:last]
                    for i in range(place.size):
                        d_embedding[i] += place[i]


@compiled
def sum_rows(values, total, first, last, accumulate):
    """total[j] (+)= Σ_r values[r, j], r in order, for the columns first…last-1. values: (R, ≥ columns)."""
    target = total[first:last]
    if not accumulate:
        target[:] = 0
    for r in range(values.shape[0]):
        source = values[r, first:last]
        for i in range(source.size):
            target[i] += source[i]


@compiled
def reverse(source, source_column, lengths, target, target_column, columns, add, first, last):
    """target[t, n, j] = source[lengths[n] - 1 - t, n, j], or += with ``add``; steps from lengths[n] on keep their
    place.

    source, target: (T, N, ≥ columns), j counted from source_column and target_column; lengths: (N). Only the rows
    first…last-1 are read and written.
    """
    for t in range(source.shape[0]):
        for n in range(first, last):
            step = lengths[n] - 1 - t if t < lengths[n] else t
            read = source[step, n, source_column : source_column + columns]
            written = target[t, n, target_column : target_column + columns]
            if add:
                for j in range(columns):
                    written[j] += read[j]
            else:
                for j in range(columns):
                    written[j] = read[j]
