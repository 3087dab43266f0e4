"""Loaded once by the server that forks protecting processes, so that a run takes a second: libraries, vocabulary."""

import torch

from mem_core.models import Tokenizer
from mem_core.perturb.vocabulary import build_vocabulary
from tests.chaos.protecting import QUICK
from tests.support.corpora import small

torch.set_num_threads(1)
build_vocabulary(Tokenizer(24), small(**QUICK).trigger)
