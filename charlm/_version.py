"""The version of charlm, and nothing else, so that every module may import it."""

__version__ = "0.1.0"
