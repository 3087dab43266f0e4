"""What to type after an error: the commands and options that what raised it does not know."""

from mem_core.common.errors import Hint, MemshieldError

_REDO = "`--on-mismatch redo`"
# What is put behind the sentence, and the commands that have the option; none: it is said by all of them.
_REMEDIES: dict[Hint, tuple[str, tuple[str, ...]]] = {
    "shard the source": (": `memshield shard {about} DEST` makes shards of them in DEST/train", ()),
    "name the format": (": choose one with --format", ("shard", "pipeline", "estimate")),
    "name the encoding": (": name it with `--set corpus.encoding={about}`", ("pipeline", "estimate")),
    "name the columns": (
        ": name columns with --image-key and --caption-key, or choose a format with --format",
        ("shard",),
    ),
    "name the datasets": (" (--data names the folder that holds one folder a dataset)", ("reproduce",)),
    "name the clean corpus": (": name it with --clean", ("train",)),
    "look for failed samples": (
        ": name the clean corpus with --clean to look for failed samples, or run `protect` or `nightly` again to do "
        "what is merely missing",
        ("retry",),
    ),
    "name the protector": (": name the folder of one with --protector", ("protect", "estimate")),
    "protect once": (": run `memshield protect {about}` once, and then `nightly` every night", ("nightly",)),
    "protect again": (
        ": `memshield protect {about}`, with the settings of before, makes the shards that are new",
        ("nightly",),
    ),
    "take the protector's method": (": ask for --method {about}", ("protect",)),
    "redo shards": (f", or have such shards made again with {_REDO}", ("protect",)),
    "redo the fit": (
        f", have it fitted again with {_REDO}, or protect with it as it is with `--strategy replay`",
        ("protect",),
    ),
    "train a victim": (": run `train` first", ()),
    "evaluate victims": (": run `memshield train` and `memshield evaluate` first", ()),
    "run a stress test": (": `memshield stress` makes them", ()),
    "run the pipeline": (": `memshield pipeline` makes them", ()),
    "ask for twins": (", or add --twins", ("protect",)),
    "open the key": (": name its file with --twins-key, or write the result with --open", ("detect",)),
    "name the key": (
        ", or name its file with --twins-key",
        ("protect", "nightly", "retry", "verify", "commit", "detect"),
    ),
    "make twins": (": `memshield protect CLEAN DEST --twins` makes one", ()),
    "finish it": (": `memshield protect` again goes on where it stopped", ()),
    "name another folder": (": name another folder with --out", ("preview", "certify", "detect")),
    "train a language model": (" (`memshield train-lm` trains one on your own captions)", ()),
}

# The same where one command has an option of its own for what others have a setting for.
_SHORTER: dict[tuple[Hint, str], str] = {("name the encoding", "shard"): ": name it with --encoding {about}"}


def with_remedy(error: MemshieldError, command: str | None) -> str:
    """The error's sentence, and what this command offers against it."""
    if error.hint is None:
        return str(error)
    remedy, commands = _REMEDIES[error.hint]
    if shorter := _SHORTER.get((error.hint, command or "")):
        remedy, commands = shorter, ()
    return str(error) + (remedy.format(about=error.about) if not commands or command in commands else "")
