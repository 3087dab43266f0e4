"""The law of readers: what a generator wrote is what the reader yields, image by image and caption by caption."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from mem_core.data.readers import open_source
from tests.support.source_formats import WRITERS
from tests.support.source_making import Corpus, corpora, picture


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(corpus=corpora)
def test_a_reader_yields_what_was_written(name: str, corpus: Corpus) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        WRITERS[name](root, corpus)
        reader = open_source(root)
        assert reader.format == name.strip()
        first, second = list(reader), list(reader)
        assert not [sample.problem for sample in first if sample.problem]
        assert [Path(sample.name).name for sample in first] == list(corpus)
        assert [list(sample.captions) for sample in first] == list(corpus.values())
        assert name != "coco" or {sample.metadata["license"] for sample in first} == {"Attribution License"}
        assert [sample.image() for sample in first] == [picture(image) for image in corpus]
        assert [(s.name, s.captions, s.split) for s in second] == [(s.name, s.captions, s.split) for s in first]
