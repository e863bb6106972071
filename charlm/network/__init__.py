"""The network in ordinary Python: what its parameters are, and the order in which the kernels are called.

``architecture`` needs NumPy only; ``layers``, ``head``, ``stack`` and ``pool`` import the kernels, and with them the
compiler.
"""
