"""Everything that is compiled, and nothing else: arrays in, arrays out, no allocation that a caller sees.

Letters, here and in ``network/``: T steps, N rows of the batch, D input width, H hidden width, V vocabulary. Arrays are
time-major; states are (T+1, N, H) with slot 0 for the start. ``d`` before a name is the gradient of the loss by it.
Rows or columns ``first``…``last``-1 are those that the calling thread works on.
"""
