"""The help of the program and of its commands: groups of options, examples, and lines that fit the terminal."""

import click

from ..errors import UsageError
from ..options import FILES

WIDEST = 80  # columns of help, at most
NARROW = 70  # below so many columns, the help of an option stands under its name
FIRST = 24  # columns of the options' names otherwise


class Screen(click.HelpFormatter):
    """Help as wide as the terminal, and at most WIDEST. No line breaks inside a word or at a hyphen."""

    def __init__(self):
        import shutil

        super().__init__(width=max(20, min(shutil.get_terminal_size().columns, WIDEST) - 1))

    def write_wrapped(self, text: str, first: str, others: str) -> None:
        from textwrap import TextWrapper

        wrapper = TextWrapper(
            self.width,
            initial_indent=first,
            subsequent_indent=others,
            break_long_words=False,
            break_on_hyphens=False,
        )
        self.write(wrapper.fill(" ".join(text.split())) + "\n")

    def write_usage(self, prog, args="", prefix="Usage: "):
        self.write_wrapped(f"{prefix}{prog} {args}", "", "  ")

    def write_text(self, text):
        blank = " " * self.current_indent
        for number, paragraph in enumerate(text.split("\n\n")):
            if number:
                self.write_paragraph()
            self.write_wrapped(paragraph, blank, blank)

    def write_dl(self, rows, col_max=30, col_spacing=2):
        """Names and their descriptions: beside each other or, on a narrow screen, one under the other."""
        blank = " " * self.current_indent
        for name, description in rows:
            if self.width < NARROW:
                self.write_wrapped(name, blank, blank + "  ")
                self.write_wrapped(description, blank + "    ", blank + "    ")
                continue
            column = blank + " " * FIRST
            start = f"{blank}{name}"
            if len(start) > len(column) - 2:
                self.write_wrapped(name, blank, blank + "  ")
                start = ""
            self.write_wrapped(description, start.ljust(len(column)), column)

    def write_command(self, command: str) -> None:
        """An example, which can be pasted: a line that is too long goes on after a backslash."""
        line = " " * self.current_indent
        for number, piece in enumerate(_pieces(command)):
            if number and len(line) + len(piece) + 3 > self.width:
                self.write(f"{line} \\\n")
                line = " " * (self.current_indent + 4) + piece
            else:
                line += f" {piece}" if number else piece
        self.write(line + "\n")


def _pieces(command: str) -> list[str]:
    """The words of a command; a quoted text is one of them."""
    pieces: list[str] = []
    for word in command.split(" "):
        if pieces and (pieces[-1].count('"') % 2 or pieces[-1].count("'") % 2):
            pieces[-1] += f" {word}"
        else:
            pieces.append(word)
    return pieces


class Helpful(click.Command):
    """A command, or a group of them, whose help is a ``Screen`` and ends with examples: lines for the shell."""

    def __init__(self, *args, examples=(), **settings):
        epilog = "\n".join(("\b", "Examples:", *(f"  {command}" for command in examples)))  # which Sphinx shows
        super().__init__(*args, epilog=epilog, **settings)
        self.examples = examples

    def get_help(self, ctx):
        screen = Screen()
        self.format_help(ctx, screen)
        return screen.getvalue().rstrip("\n")

    def format_epilog(self, ctx, formatter):
        with formatter.section("Examples"):
            for command in self.examples:
                formatter.write_command(command)


class HelpfulCommand(Helpful):
    """A command whose help has groups of options.

    first: the names of the options that matter first. explanation: (heading, rows) below the text.
    """

    def __init__(self, *args, first=(), explanation=None, **settings):
        super().__init__(*args, **settings)
        self.first, self.explanation = first, explanation
        self.context_settings |= {"allow_extra_args": True}  # parse_args has a better message for them

    def parse_args(self, ctx, args):
        for param in self.params:
            args = param.completed(args) if hasattr(param, "completed") else args
        try:
            rest = super().parse_args(ctx, args)
        except click.BadOptionUsage as error:
            error.ctx = error.ctx or ctx  # click leaves it out where a value is missing
            raise
        if rest and not ctx.resilient_parsing:
            remedy = "it takes one file" if rest[0].endswith(".npz") else "put a text that has spaces into quotes"
            raise UsageError(f"{ctx.command_path} cannot use {rest[0]!r}; {remedy}")
        return rest

    def format_help_text(self, ctx, formatter):
        super().format_help_text(ctx, formatter)
        if self.explanation:
            with formatter.section(self.explanation[0]):
                formatter.write_dl(self.explanation[1])

    def format_options(self, ctx, formatter):
        options = {param.name: param for param in self.get_params(ctx) if isinstance(param, click.Option)}
        sections = {"The options that matter first": [options[name] for name in self.first]} if self.first else {}
        for name, option in options.items():
            if name not in self.first:
                heading = getattr(option, "group", FILES) if self.first else "Options"
                sections.setdefault(heading, []).append(option)
        for heading, members in sorted(sections.items(), key=lambda section: section[0] == FILES):  # which come last
            with formatter.section(heading):
                formatter.write_dl([option.get_help_record(ctx) for option in members])
