"""What to do about shards that failed on every attempt: a night, a retry and `status` say it in the same words."""

import shlex


def about_failed_shards(dest: str) -> str:
    """A clause to put behind their names. dest: the protected corpus, by address."""
    retry = f"`memshield retry {shlex.quote(dest)}`"
    return (
        f"see to the cause (a broken tar: have it written again), then {retry} makes these shards and no others; "
        "the next night tries them, too"
    )
