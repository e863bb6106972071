"""python -m charlm"""

from .cli import program

program(prog_name="charlm")
