"""One grammar for all commands: their groups, how their help names what is to be typed, and what is said of a mistake.

What a command needs is typed in its place, CLEAN before PROTECTED and VICTIM before TEST, the folder to write into
last; what may be left out is an option, and options of one name mean one thing.
"""

from collections.abc import Iterable
from typing import Any

import typer
import typer.core

from mem_core.common.nearest import meant

GROUPS = {
    "Prepare": ("shard", "estimate", "presets", "settings"),
    "Protect": ("protect", "verify", "preview", "export", "index"),
    "Measure": ("train", "evaluate", "stress", "pipeline", "report"),
    "Prove": ("commit", "detect", "certify"),
    "Operate": ("status", "nightly", "retry", "up", "down", "deploy", "server"),
    "Research": ("demo", "reproduce", "train-lm", "bench"),
}
"""The groups of `memshield --help` with their commands, in the order in which they are needed."""

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What is wrong with how a command was typed: typer has its own copy of click, which nobody is to import."""


class CleanFirst(typer.core.TyperCommand):
    """A command whose CLEAN was an option up to 0.6.0: it may still be typed so, with a word of how it is typed now."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for place, word in enumerate(args):
            option, equals, value = word.partition("=")
            if option == "--clean" and (equals or place + 1 < len(args)):
                rest = args[:place] + args[place + (1 if equals else 2) :]
                typed = f"memshield {self.name} {' '.join(_usage(self)[1:])}"
                typer.echo(
                    f"memshield: CLEAN is typed first now: {typed} (--clean works in this version still)", err=True
                )
                return super().parse_args(ctx, [value if equals else args[place + 1], *rest])
        return super().parse_args(ctx, args)


def in_order(names: Iterable[str]) -> list[str]:
    """Commands as `--help` lists them; those of no group last."""
    order = [name for group in GROUPS.values() for name in group]
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))


def polish(name: str, command: Any, context: Any) -> None:
    """Gives a command its group, and its parameters the names that stand in its help."""
    command.rich_help_panel = next((group for group, names in GROUPS.items() if name in names), None)
    for below, its in getattr(command, "commands", {}).items():
        polish(below, its, context)
    command.get_help_option(context).metavar = ""
    for parameter in command.params:
        is_argument = parameter.param_type_name == "argument"
        if is_argument:
            parameter.metavar = parameter.metavar or parameter.name.upper()
            parameter.display_type_rich = _no_type
        elif parameter.metavar is None and getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        elif parameter.metavar is None and not parameter.type_descriptor.is_choice:
            parameter.metavar = _VALUES.get(parameter.bare_type(), "TEXT")
    if not getattr(command, "commands", None):
        command.collect_usage_pieces = lambda _: _usage(command)


def _no_type(ctx: Any) -> None:
    """Of an argument its name says enough."""


_VALUES = {"int": "N", "float": "NUMBER"}


def _usage(command: Any) -> list[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    return ["[OPTIONS]"] + [one.metavar if one.required else f"[{one.metavar}]" for one in arguments]


def usage_sentence(error: Any) -> str:
    """What is wrong with a command line, what was probably meant, and how the command is typed."""
    context = error.ctx
    if context is None:
        return str(error)
    called = " ".join(context.command_path.split(" ")[1:]) or "memshield"
    typed = f"memshield {called}".removesuffix(" memshield")
    if option := getattr(error, "option_name", "") if "No such option" in str(error) else "":
        known = [name for one in context.command.get_params(context) for name in one.opts if name.startswith("--")]
        said = f"{called} has no option {option}{meant(option, known)}"
    elif (parameter := getattr(error, "param", None)) is not None and "Missing" in type(error).__name__ + str(error):
        said = f"{called} needs {_typed_as(parameter)}"
    elif parameter is not None and (wanted := _wanted(error.__cause__)):
        said = f"expected {wanted[0]} for {_typed_as(parameter)}, got {wanted[1]!r}"
    else:
        said = error.format_message().rstrip(".").replace("Value error, ", "").replace(". Did", ": did")
        said = said[:1].lower() + said[1:]
    pieces = " ".join((typed, *context.command.collect_usage_pieces(context)))
    return f"{said} (usage: {pieces}; `{typed} --help` explains)"


def _typed_as(parameter: Any) -> str:
    return str(parameter.metavar if parameter.param_type_name == "argument" else parameter.opts[0])


_KINDS = {"int_parsing": "a whole number", "float_parsing": "a number"}
_SHOULD = "Input should be "  # how pydantic, which typer reads values with, begins


def _wanted(cause: Any) -> tuple[str, object] | None:
    """What a value should have been, and what came, where typer could not read it."""
    mistake = next(iter(cause.errors() if hasattr(cause, "errors") else ()), None)
    if mistake is None or not mistake["msg"].startswith(_SHOULD):
        return None
    said, is_bound = mistake["msg"].removeprefix(_SHOULD), mistake["type"].startswith(("greater", "less"))
    return _KINDS.get(mistake["type"], f"a number {said}" if is_bound else said), mistake["input"]
