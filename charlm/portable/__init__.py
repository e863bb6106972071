"""What must be the same to the last bit on every machine, and what libraries do not all do in the same way.

functions   log, exp, cos and powers of numbers that a training keeps
archive     the bytes of an archive of arrays
"""
