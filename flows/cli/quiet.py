"""Whether only results and errors are printed, and no progress."""

_quiet = False


def be_quiet(*, on: bool) -> None:
    """Settles it for this command."""
    global _quiet
    _quiet = on


def is_quiet() -> bool:
    """Whether `--quiet` was typed."""
    return _quiet
