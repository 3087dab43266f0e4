"""What the calibration measured: seconds, bytes and requests of each step, by the sample, the step or the shard."""

from pydantic import Field

from mem_core.config.base import Frozen
from mem_core.experiments.estimate.request_counter import Calls


class SourceCost(Frozen):
    """Of the samples themselves. seconds: to read, decode and write one into a clean shard; load: to read and decode
    it from there. tar, beside: bytes in the tar, and in table and receipts. pixels: decoded, on average."""

    seconds: float
    load: float
    tar: float
    beside: float
    pixels: float
    calls: Calls


class FitCost(Frozen):
    """Of one round. pair: seconds a pair of a surrogate step; round: seconds beyond its steps; first, later: seconds
    a sample of triggers and noise, in rounds that search for triggers and in the others. state: bytes a sample, while
    the fit lasts; surrogate, optimizer: bytes of a round's files. begin, train, advance: requests."""

    pair: float
    round: float
    first: float
    later: float
    state: float
    surrogate: int
    optimizer: int
    begin: Calls
    train: Calls
    advance: Calls


class ProtectCost(Frozen):
    """Of one way to protect. publish, verify: seconds a sample. tar, beside: bytes a sample. memory: bytes of the GPU
    at the most, None on a CPU. fit: None where nothing is fitted."""

    fit: FitCost | None = None
    publish: float
    verify: float
    tar: float
    beside: float
    publishing: Calls
    verifying: Calls
    memory: int | None = None


class VictimCost(Frozen):
    """Of one kind of victim. pair: seconds a pair in training; epoch: seconds to keep it after each; query: seconds a
    test sample; weights: bytes."""

    pair: float
    epoch: float
    query: float
    weights: int
    memory: int | None = None


class Costs(Frozen):
    """The calibration as a whole. samples: that it ran on. device: what they ran on. ways, victims: by fingerprint."""

    samples: int
    device: str
    source: SourceCost
    ways: dict[str, ProtectCost] = Field(default_factory=dict)
    victims: dict[str, VictimCost] = Field(default_factory=dict)
