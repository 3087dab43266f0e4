"""What verification found: problems and warnings, each with its shard and sample."""

from pydantic import Field

from mem_core.config import Frozen

NAMED = 100  # problems listed per shard; the rest is counted, so that a wrong corpus cannot fill the memory


class Problem(Frozen):
    """One thing that is wrong. shard, key: "" where it concerns more than one. name: of the picture in its source, ""
    where that is not known; it is not part of the text, which others may read (a certificate has it)."""

    shard: str
    key: str
    what: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.shard} {self.key}: {self.what}"


class VerifyReport(Frozen):
    """So many shards checked. counts: status -> samples in the tables. warnings: worth knowing, though nothing is
    wrong."""

    shards: int
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    counts: dict[str, int] = Field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems
