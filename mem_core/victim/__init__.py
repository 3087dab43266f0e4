"""The model that an unauthorised trainer trains on the published files."""

from mem_core.victim.captions import caption_rows
from mem_core.victim.record import Epoch, VictimRecord, load_victim, read_victim
from mem_core.victim.training import train_victim

__all__ = ["Epoch", "VictimRecord", "caption_rows", "load_victim", "read_victim", "train_victim"]
