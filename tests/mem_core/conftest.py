import pytest
import torch

from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.perturb.language import MaskedLanguageModel, load_language_model, train_language_model
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, SEED, odd_shard, plain_shard, protect, small
from tests.support.language_making import CONFIG, caption_corpus


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny models are slower on many threads; and sums split among threads round otherwise."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    """A clean corpus of three shards: odd images and two that fail; plain photos; a tail of one sample."""
    folder = LocalFolder(tmp_path_factory.mktemp("clean"))
    write_bytes(folder, "00000.tar", odd_shard("00000"))
    write_bytes(folder, "00001.tar", plain_shard("00001", 9))
    write_bytes(folder, "00002.tar", plain_shard("00002", 1))
    return folder


@pytest.fixture(scope="session")
def mem(clean: LocalFolder, tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    """The clean corpus protected by MEM in rounds, without interruption. Not to be changed."""
    dest = LocalFolder(tmp_path_factory.mktemp("mem"))
    protect(Protection(Places(clean, dest), small(), RUNTIME, seed=SEED))
    return dest


@pytest.fixture(scope="session")
def captions(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    """Two shards of 12 pictures with four simple sentences each."""
    return caption_corpus(tmp_path_factory.mktemp("captions"))


@pytest.fixture(scope="session")
def language_model(captions: LocalFolder, tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    """A small masked language model that has learned those sentences. Not to be changed."""
    out = LocalFolder(tmp_path_factory.mktemp("language-model"))
    train_language_model(captions, out, CONFIG, RUNTIME, seed=1)
    return out


@pytest.fixture(scope="session")
def masked(language_model: LocalFolder) -> MaskedLanguageModel:
    return load_language_model(language_model, torch.device("cpu"))
