"""What is settled before anything is published: which corpus, coins and test. Nothing can be chosen afterwards.

A commitment tells nothing about the coins: of the key, and of the twins, it has hashes alone. It may be shown to
anybody, and has to be: only somebody else's date on it shows that it is older than the publication.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field, model_validator

from mem_core import __version__
from mem_core.audit.certificate.certificate import Committed, manifest_fingerprint
from mem_core.audit.evidence.blocks import blocks_needed, blocks_of
from mem_core.audit.evidence.outcome import FEWEST_TWINS, EvidencePlan, require_enough
from mem_core.audit.evidence.timestamp import timestamp_request
from mem_core.common.errors import DestinationError, MismatchError, SourceError
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.common.storage.hashing import sha256_bytes, sha256_of
from mem_core.config import Frozen, fingerprint
from mem_core.config.stored import parse_record
from mem_core.data.corpus import list_shards
from mem_core.data.receipt import Sha256, read_receipt
from mem_core.data.table import read_rows, table_name
from mem_core.protect.coins import TwinKey, chosen, coin
from mem_core.protect.destination import TWINS, TWINS_RECORD
from mem_core.protect.twin_table import TwinRow
from mem_core.protect.twins import Twins, read_shard_twins, require_twins_record

COMMITMENT_NAME, REQUEST_NAME = "commitment.json", "commitment.tsq"


class CommittedShard(Frozen):
    """published: of the tar that is handed out. twins: of each file that stays at home, by name."""

    published: Sha256
    twins: dict[str, Sha256]


class Commitment(Frozen):
    """written: by the clock of whoever wrote it, which proves nothing. corpus: the random id of its twins. pairs: how
    many; blocks: the SHA-256 of their names, block by block. manifest: the fingerprint of the corpus as it was. test:
    the only one that counts. description: the SHA-256 of `twins.json`, "" in older commitments. without: how many
    published samples the key chose that have no twin; few, as both versions have to come out alike for that. sha256: of
    all the rest."""

    format: Literal[1] = 1
    made_with: str = __version__
    written: str
    corpus: str
    key_sha256: Sha256
    method: str
    share: float = Field(gt=0, le=1)
    pairs: int = Field(ge=FEWEST_TWINS)
    blocks: tuple[Sha256, ...]
    manifest: Sha256
    shards: dict[str, CommittedShard]
    test: EvidencePlan
    description: Sha256 | Literal[""] = ""
    without: int = Field(0, ge=0)
    sha256: str = ""

    @model_validator(mode="after")
    def _has_a_hash_for_each_block(self) -> "Commitment":
        if len(self.blocks) != blocks_needed(self.pairs):
            raise ValueError(
                f"{self.pairs} pairs are {blocks_needed(self.pairs)} blocks, got {len(self.blocks)} hashes"
            )
        return self

    @model_validator(mode="after")
    def _settles_all_files_at_home(self) -> "Commitment":
        """A version that is not settled could be chosen when the model is known."""
        for shard, committed in self.shards.items():
            if set(committed.twins) != {f"{shard}.tar", table_name(shard)}:
                raise ValueError(
                    f"shard {shard} has twins in a tar and a table, got hashes of {sorted(committed.twins)}"
                )
        return self

    def sealed(self) -> "Commitment":
        """The same with the hash of everything else in it."""
        return self.model_copy(update={"sha256": fingerprint(self.model_dump(mode="json", exclude={"sha256"}))})


def make_commitment(dest: Folder, plan: EvidencePlan, key: TwinKey, now: datetime) -> Commitment:
    """Commits to a protected corpus with twins, to its coins and to a test. Every file is read and hashed.

    Raises `SourceError` for an unfinished corpus and for fewer than 20 pairs, `MismatchError` for files that are not as
    their receipts say and for coins that this key does not throw, `ConfigError` for a corpus without twins.
    """
    record = require_twins_record(dest)
    twins, shards, names, without = Twins(record, key), {}, list[str](), 0
    for shard in list_shards(dest):
        receipt = read_receipt(dest, shard)
        if receipt is None:
            raise SourceError(f"expected a finished corpus in {dest.uri}, but its shard {shard} has no receipt")
        committed = CommittedShard(published=receipt.outputs[f"{shard}.tar"], twins=receipt.twins)
        require_as_committed(dest, shard, committed)
        rows = [pair.row for pair in read_shard_twins(dest, receipt)]
        require_thrown(key, (record.corpus, record.share), shard, rows)
        without += len(twins.lacking(shard, read_rows(dest, shard), {row.key for row in rows}))
        names += [pair_name(shard, row.key) for row in rows]
        shards[shard] = committed
    require_enough(len(names))
    return Commitment(
        written=now.astimezone(UTC).isoformat(timespec="seconds"),
        corpus=record.corpus,
        key_sha256=key.sha256,
        method=record.method,
        share=record.share,
        pairs=len(names),
        blocks=tuple(map(names_hash, blocks_of(names, len(names)))),
        manifest=manifest_fingerprint(dest),
        shards=shards,
        test=plan,
        description=_description(dest),
        without=without,
    ).sealed()


def _description(dest: Folder) -> str:
    return sha256_of(dest.below(TWINS), TWINS_RECORD)


def commitment_bytes(commitment: Commitment) -> bytes:
    """Canonical JSON: sorted, without needless space, one line."""
    values = commitment.model_dump(mode="json")
    return (json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n").encode()


def write_commitment(folder: Folder, commitment: Commitment, *, stamp: bool = False) -> None:
    """Writes `commitment.json`; stamp: and `commitment.tsq`, the question to a time-stamping service.

    Raises `DestinationError` where one lies already: an earlier date would be lost with it.
    """
    data = commitment_bytes(commitment)
    request = timestamp_request(data) if stamp else None
    try:
        write_bytes(folder, COMMITMENT_NAME, data, only_if_absent=True)
    except FileExistsError:
        raise DestinationError(
            f"expected no commitment at {folder.uri}/{COMMITMENT_NAME}, but there is one, and the earlier date counts: "
            "choose another folder"
        ) from None
    if request is not None:
        write_bytes(folder, REQUEST_NAME, request)


def read_commitment(folder: Folder, name: str) -> Commitment:
    """Raises `SourceError` where there is none, `MismatchError` for anything but one with the hash of its content."""
    place = f"{folder.uri}/{name}"
    try:
        data = read_bytes(folder, name)
    except FileNotFoundError as error:
        raise SourceError(
            f"expected a commitment at {place}, but there is no such file: without one from before publishing "
            "there is no evidence"
        ) from error
    commitment = parse_record(data, Commitment, "a commitment", place)
    written = json.loads(data)  # hashed as it stands
    if commitment.sha256 != fingerprint({name: value for name, value in written.items() if name != "sha256"}):
        raise MismatchError(f"expected the commitment {place} as memshield wrote it, but it was edited")
    return commitment


def committed_to(commitment: Commitment, dest: Folder) -> Committed:
    """What a certificate says of a commitment. Raises `MismatchError` if it speaks of another corpus, or of this one
    before it was changed."""
    if (found := manifest_fingerprint(dest)) != commitment.manifest:
        raise MismatchError(
            f"expected a commitment to {dest.uri}, whose manifest has fingerprint {found[:12]}, but it is to "
            f"{commitment.manifest[:12]}: to another corpus, or to this one before it was changed"
        )
    return Committed(
        sha256=commitment.sha256,
        written=commitment.written,
        statistic=commitment.test.statistic,
        alpha=commitment.test.alpha,
        pairs=commitment.pairs,
    )


def require_key(commitment: Commitment, key: TwinKey) -> None:
    """Raises `MismatchError` for another key than the committed one."""
    if key.sha256 != commitment.key_sha256:
        raise MismatchError(
            f"expected the key that was committed to, with SHA-256 {commitment.key_sha256[:12]}, but this one has "
            f"{key.sha256[:12]}: it is another corpus's"
        )


def require_description(dest: Folder, commitment: Commitment) -> None:
    """Raises `MismatchError` for another `twins.json` than was committed to."""
    require_twins_record(dest)
    if commitment.description and _description(dest) != commitment.description:
        raise MismatchError(
            f"expected {dest.below(TWINS).uri}/{TWINS_RECORD} as it was committed to, but it was edited since"
        )


def require_as_committed(dest: Folder, shard: str, committed: CommittedShard) -> None:
    """Raises `MismatchError` for a file of a shard that is missing or has other bytes than were committed to."""
    home = dest.below(TWINS)
    files = [(dest, f"{shard}.tar", committed.published), *((home, name, sha) for name, sha in committed.twins.items())]
    for folder, name, sha256 in files:
        try:
            found = sha256_of(folder, name)
        except FileNotFoundError:
            raise MismatchError(f"expected {folder.uri}/{name} as it was when it was made, but it is missing") from None
        if found != sha256:
            raise MismatchError(f"expected {folder.uri}/{name} as it was when it was made, but it was edited since")


def require_thrown(key: TwinKey, twins: tuple[str, float], shard: str, rows: Iterable[TwinRow]) -> None:
    """Raises `MismatchError` unless the key throws the coins by which the rows were published, and chose them.

    twins: the id of the corpus and its share of samples with twins.
    """
    corpus, share = twins
    for row in rows:
        if not chosen(key, corpus, shard, row.key, share):
            raise MismatchError(
                f"expected twins of the {share:g} of the samples that the key chose, but sample {row.key} of shard "
                f"{shard} is none of them: the share was edited"
            )
        if coin(key, corpus, shard, row.key) != row.draw:
            raise MismatchError(
                f"expected sample {row.key} of shard {shard} to be published as its coin says, but it is the other "
                "version"
            )


def names_hash(names: Iterable[str]) -> str:
    """Of the names of pairs in their order."""
    return sha256_bytes("\n".join(names).encode())


def pair_name(shard: str, key: str) -> str:
    """How a pair is named in a result."""
    return f"{shard}/{key}"


def coin_of(key: TwinKey, commitment: Commitment, name: str) -> int:
    """The draw in which the pair of a name was published: 0 or 1."""
    shard, _, sample = name.partition("/")
    return coin(key, commitment.corpus, shard, sample)
