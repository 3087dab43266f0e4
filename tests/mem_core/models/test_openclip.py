"""Models by name and by JSON, weights in and out, and the tokenizer."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.models import (
    OpenClipEncoder,
    Tokenizer,
    architectures,
    build_model,
    load_model,
    save_model,
    tokenizer_for,
)
from mem_core.models.device import autocast

OPEN_CLIP = SimpleTokenizer()
POCKET: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def described(folder: Path, value: object, name: str = "pocket.json") -> str:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


@pytest.fixture(scope="module")
def model() -> OpenClipEncoder:
    return build_model("tiny-resnet-32", seed=0).freeze()


@pytest.mark.parametrize("name", ["tiny-resnet-32", "tiny-vit"])
def test_rows_without_their_padding_give_the_librarys_own_features(name: str) -> None:
    model = build_model(name, seed=0).freeze()
    rows = tokenizer_for(model).encode(["a dog", "a black cat on a mat !", "!"])
    whole = torch.nn.functional.normalize(model.clip.encode_text(rows), dim=-1)  # type: ignore[operator]
    for width in (9, 12, rows.shape[1] - 1, rows.shape[1]):
        torch.testing.assert_close(model.encode_text(rows[:, :width]), whole, rtol=1e-5, atol=1e-6)
    features, embeddings = model.encode_text_tracked(rows[:, :9])
    (slope,) = torch.autograd.grad(features[:, 0].sum(), embeddings)
    assert slope.shape[:2] == (3, 9)
    assert bool(slope[:, :3].any())


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("captions", [16, 17, 40, 200])
def test_a_block_left_out_where_nobody_reads_it_changes_no_bit(
    captions: int, precision: torch.dtype, model: OpenClipEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [f"a photo of {number} dogs" + " !" * (number % 4) for number in range(captions)]
    rows = tokenizer_for(model).encode(said)[:, :14]
    found = []
    for many in (captions, captions + 1):
        monkeypatch.setattr("mem_core.models.openclip._MANY_ROWS", many)
        with autocast(torch.device("cpu"), precision):
            features, embeddings = model.encode_text_tracked(rows)
        (slope,) = torch.autograd.grad(features[:, ::3].sum(), embeddings)
        found.append((features, slope))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def with_trained_norms(model: OpenClipEncoder) -> OpenClipEncoder:
    """Batch norms as training leaves them: at the start they change nothing."""
    draw = torch.Generator().manual_seed(0)
    for layer in model.clip.visual.modules():  # type: ignore[union-attr]
        if isinstance(layer, torch.nn.BatchNorm2d):
            for values in (layer.weight.data, layer.bias.data, layer.running_mean, layer.running_var):
                assert values is not None
                values.copy_(0.5 + torch.rand(values.shape, generator=draw))
    return model


@pytest.mark.parametrize("name", ["tiny-resnet-32", "RN50"])
def test_folded_batch_norms_are_the_same_function_and_leave_the_model_alone(name: str) -> None:
    model = with_trained_norms(build_model(name, seed=0)).freeze()
    before, folded = save_model(model), model.folded()
    seen = torch.rand(3, 3, model.image_size, model.image_size, requires_grad=True)
    features, fast = model.encode_image(seen), folded.encode_image(seen)
    torch.testing.assert_close(fast, features, rtol=0, atol=1e-5)
    aim = torch.randn(features.shape, generator=torch.Generator().manual_seed(1))
    slope, quick = (torch.autograd.grad(found, seen, aim)[0] for found in (features, fast))
    assert float(torch.cosine_similarity(slope.flatten(), quick.flatten(), dim=0)) > 0.9999
    kinds = {type(layer) for layer in folded.clip.visual.modules()}  # type: ignore[union-attr]
    assert torch.nn.BatchNorm2d not in kinds
    assert save_model(model) == before
    rows = tokenizer_for(model).encode(["a dog", "a cat"])
    assert torch.equal(folded.encode_text(rows), model.encode_text(rows))
    _, embeddings = folded.encode_text_tracked(rows)
    assert embeddings.requires_grad
    assert (folded.image_size, folded.context_length) == (model.image_size, model.context_length)


def test_folded_batch_norms_make_bfloat16_no_coarser() -> None:
    model = with_trained_norms(build_model("tiny-resnet-32", seed=0)).freeze()
    seen = torch.rand(32, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    aim = torch.randn(32, 128, generator=torch.Generator().manual_seed(1))

    def slope(encoder: OpenClipEncoder, precision: torch.dtype) -> torch.Tensor:
        leaf = seen.clone().requires_grad_()
        with autocast(torch.device("cpu"), precision):
            features = encoder.encode_image(leaf)
        return torch.autograd.grad(features, leaf, aim)[0].flatten()

    exact = slope(model, torch.float32)
    as_it_is, folded = (
        float(torch.cosine_similarity(slope(encoder, torch.bfloat16), exact, dim=0))
        for encoder in (model, model.folded())
    )
    assert folded > as_it_is - 0.005


def test_a_model_with_another_tower_is_not_copied() -> None:
    model = build_model("tiny-vit", seed=0).freeze()
    assert model.folded() is model


def test_a_text_tower_that_reads_everything_gets_its_padding_back(tmp_path: Path) -> None:
    whole_view = POCKET | {"text_cfg": POCKET["text_cfg"] | {"no_causal_mask": True, "pool_type": "last"}}
    custom = whole_view | {"custom_text": True}
    model = build_model(described(tmp_path, custom), seed=0).freeze()
    rows = tokenizer_for(model).encode(["a dog", "a black cat"])
    assert torch.equal(model.encode_text(rows[:, :6]), model.encode_text(rows))


def test_known_names_hold_open_clips_and_ours() -> None:
    assert {"RN50", "ViT-B-32", "tiny-resnet", "tiny-resnet-32", "tiny-vit"} <= set(architectures())
    with pytest.raises(ConfigError, match=r"such as RN50.*tiny-resnet.*got 'RN5O'"):
        build_model("RN5O", seed=0)


@pytest.mark.parametrize("name", ["tiny-resnet-32", "tiny-resnet", "tiny-vit"])
def test_ours_show_what_the_protocol_says(name: str) -> None:
    model = build_model(name, seed=0).freeze()
    images = model.encode_image(torch.rand(2, 3, model.image_size, model.image_size))
    tokens = tokenizer_for(model).encode(["a dog", "a cat on a mat"])
    texts = model.encode_text(tokens)
    for features in (images, texts):
        assert features.dtype == torch.float32
        torch.testing.assert_close(features.norm(dim=1), torch.ones(2))
    assert tokens.shape == (2, model.context_length)
    assert float(model.logit_scale) == pytest.approx(1 / 0.07, rel=1e-3)


def test_weights_are_drawn_from_the_seed_and_from_nothing_else() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = save_model(build_model("tiny-resnet-32", seed=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert save_model(build_model("tiny-resnet-32", seed=1)) == one
    assert save_model(build_model("tiny-resnet-32", seed=2)) != one


def test_weights_come_back_as_they_were(model: OpenClipEncoder) -> None:
    data = save_model(model, beside=torch.arange(3))
    found, more = load_model("tiny-resnet-32", io.BytesIO(data), "here")
    assert save_model(found, **more) == data
    assert more["beside"].tolist() == [0, 1, 2]


def test_weights_that_do_not_fit_are_named(model: OpenClipEncoder) -> None:
    data = save_model(model)
    for architecture, bytes_ in (("tiny-vit", data), ("tiny-resnet-32", data[:-5]), ("tiny-resnet-32", b"")):
        with pytest.raises(MismatchError, match=f"weights of {architecture} in here/x, which cannot be used"):
            load_model(architecture, io.BytesIO(bytes_), "here/x")


def test_a_model_is_read_from_a_json_file(tmp_path: Path) -> None:
    model = build_model(described(tmp_path, POCKET), seed=0)
    assert (model.image_size, model.context_length) == (32, 16)
    assert "pocket" not in architectures()


def test_json_files_of_one_name_do_not_get_into_each_others_way(tmp_path: Path) -> None:
    """Neither with each other nor with a model of that name."""
    (tmp_path / "other").mkdir()
    wide = POCKET | {"embed_dim": 24}
    first = described(tmp_path, POCKET, "tiny-vit.json")
    second = described(tmp_path / "other", wide, "tiny-vit.json")
    text = torch.zeros(1, 16, dtype=torch.long)
    for architecture, width in ((first, 16), (second, 24), (first, 16)):
        assert build_model(architecture, seed=0).encode_text(text).shape == (1, width)
    assert build_model("tiny-vit", seed=0).image_size == 64


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("{", "not JSON"),
        ("3", "expected embed_dim, vision_cfg and text_cfg .* got int"),
        ([1], "got list"),
        ({"embed_dim": 4}, "got embed_dim"),
        (POCKET | {"vision_cfg": {"image_size": "big"}}, "cannot: "),
        (POCKET | {"vision_cfg": None}, "cannot: "),
        (POCKET | {"vision_cfg": {**POCKET["vision_cfg"], "colour": 1}}, "cannot: .*colour"),
        (POCKET | {"text_cfg": {"hf_model_name": "nobody/nothing-at-all"}}, "cannot: "),
        (POCKET | {"embed_dim": -1}, "cannot: "),
    ],
)
def test_bad_descriptions_are_named(tmp_path: Path, value: object, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        build_model(described(tmp_path, value), seed=0)


def test_a_missing_file_is_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a path to a JSON file"):
        build_model(str(tmp_path / "missing.json"), seed=0)


def test_a_text_tower_with_other_tokens_is_refused(tmp_path: Path) -> None:
    other = POCKET | {"text_cfg": POCKET["text_cfg"] | {"vocab_size": 1000}}
    with pytest.raises(ConfigError, match=r"CLIP's 49408 tokens, but .* has 1000"):
        tokenizer_for(build_model(described(tmp_path, other), seed=0))


def test_the_gradient_reaches_the_token_embeddings_and_not_the_weights(model: OpenClipEncoder) -> None:
    tokens = tokenizer_for(model).encode(["a dog", "two cats"])
    features, embeddings = model.encode_text_tracked(tokens)
    assert torch.equal(features, model.encode_text(tokens))
    (gradient,) = torch.autograd.grad(features[:, 0].sum(), embeddings)
    assert gradient.shape == (2, model.context_length, 64)
    assert bool(gradient[:, 1].abs().sum() > 0)
    assert not model.encode_text(tokens).requires_grad
    assert torch.equal(model.token_embeddings[tokens], embeddings.detach())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_tokens_are_start_ids_end_zeros(texts: list[str]) -> None:
    tokenizer = Tokenizer(12)
    for text, row in zip(texts, tokenizer.encode(texts).tolist(), strict=True):
        ids = tokenizer.ids(text)
        whole = [tokenizer.start_id, *ids, tokenizer.end_id]
        wanted = whole if len(whole) <= 12 else [*whole[:11], tokenizer.end_id]
        assert row == wanted + [0] * (12 - len(wanted))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=60) | st.just("a long way " * 60), max_size=4), st.integers(3, 77))
def test_remembered_tokens_are_those_of_open_clip(texts: list[str], length: int) -> None:
    tokenizer = Tokenizer(length)
    for _ in range(2):  # read, and remembered
        assert torch.equal(tokenizer.encode(texts), OPEN_CLIP(texts, length) if texts else tokenizer.encode([]))
        assert [tokenizer.ids(text) for text in texts] == [OPEN_CLIP.encode(text) for text in texts]


def test_tokenizers_of_different_lengths_do_not_share_one() -> None:
    short, long = Tokenizer(8), Tokenizer(20)
    assert short.encode(["a dog"]).shape == (1, 8)
    assert long.encode(["a dog"]).shape == (1, 20)
    assert short.encode([]).shape == (0, 8)
