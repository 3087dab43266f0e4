"""The keys of what a run leaves in Prefect's UI: such as Prefect takes, and one for each thing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.client.schemas.actions import ArtifactCreate

from tasks.artifacts import artifact_key, retrieval_key


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=300), max_size=3))
def test_prefect_takes_every_key(words: list[str]) -> None:
    key = artifact_key("shards", "/data/x", *words)
    assert ArtifactCreate(key=key).key == key
    assert len(key) <= 100
    assert key.startswith("shards-x")


def test_corpora_of_one_name_have_keys_of_their_own() -> None:
    names = ["\u0444\u043e\u0442\u043e", "\u043b\u0438\u0446\u0430", "a" * 200, "a" * 201, "corpus", "other/corpus"]
    keys = [artifact_key("shards", f"/data/{name}") for name in names]
    assert len(set(keys)) == len(names)
    assert artifact_key("shards", "s3://b/corpus") != artifact_key("shards", "s3://c/corpus")
    assert artifact_key("night", "s3://b/corpus/") == artifact_key("night", "s3://b/corpus")  # a history of its own
    assert artifact_key("shards", "/data/My_Corpus", "mem").startswith("shards-my-corpus-mem-")


@pytest.mark.parametrize(
    ("victim", "key"),
    [
        ("/data/birds/rows/mem-5/victim-0", "retrieval-birds-mem-5-victim-0-"),
        ("s3://bucket/faces/rows/mem-5/victim-0", "retrieval-faces-mem-5-victim-0-"),
        ("/data/birds/victim/", "retrieval-birds-victim-"),
        ("s3://bucket/victim", "retrieval-bucket-victim-"),
    ],
)
def test_results_are_named_after_their_victim(victim: str, key: str) -> None:
    assert retrieval_key(victim).startswith(key)
    assert retrieval_key(victim) != retrieval_key(f"/elsewhere/{victim}")
