"""The states of shards that a process keeps in memory, beside their files: the next step needs them again."""

import threading
from collections import OrderedDict

from mem_core.perturb.state import ShardState


class HeldStates:
    """The last states used, up to `max_bytes` of noise. Threads share it."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: OrderedDict[str, ShardState] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, shard: str, rounds: int) -> ShardState | None:
        """The shard's state after so many rounds, if that is the one held: another process may have gone on since."""
        with self._lock:
            found = self._held.get(shard)
            if found is None or found.rounds != rounds:
                return None
            self._held.move_to_end(shard)
            return found

    def put(self, shard: str, state: ShardState) -> None:
        """Holds a state in place of the shard's last one; those used longest ago are let go."""
        with self._lock:
            self._held[shard] = state
            self._held.move_to_end(shard)
            while self._held and sum(held.nbytes for held in self._held.values()) > self._max_bytes:
                self._held.popitem(last=False)

    def forget(self, shard: str) -> None:
        """Lets the shard's state go."""
        with self._lock:
            self._held.pop(shard, None)

    def clear(self) -> None:
        """Lets all of them go."""
        with self._lock:
            self._held.clear()
