import pytest

from mem_core.models import OpenClipEncoder, Tokenizer, build_model, tokenizer_for


@pytest.fixture(scope="session")
def encoder() -> OpenClipEncoder:
    return build_model("tiny-resnet-32", seed=0).freeze()


@pytest.fixture(scope="session")
def tokenizer(encoder: OpenClipEncoder) -> Tokenizer:
    return tokenizer_for(encoder)
