"""What must be the same to the last bit on every machine, and what libraries do not all do in the same way.

functions   log and exp of what a training keeps
numbers     cos and powers of single numbers, without NumPy
archive     the bytes of an archive of arrays
"""
