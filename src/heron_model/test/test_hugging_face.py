"""Checkpoints as Hugging Face folders: there and back, a real one taken over, and everything that is none refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from toy_model import CONFIG, REAL, save_internvl, toy_model, toy_tokenizer

from heron_core.errors import ConfigError
from heron_model.config import ImagesConfig, LanguageConfig, ModelConfig, VisionConfig
from heron_model.hugging_face import CheckpointError, load, open_internvl, save
from heron_model.layout import SPECIALS
from heron_model.model import normalised
from heron_model.presets import load_preset, preset_names
from heron_model.pretrained import fitted, from_internvl

PRESETS = Path(__file__).resolve().parents[3] / "config" / "model"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    return toy_model(), save(toy_model(), toy_tokenizer(folder / "words.json"), folder / "model", {"metrics": {"ade_m": 1.5}, "limits": ("none",)})


@pytest.fixture(scope="module")
def internvl(tmp_path_factory):
    return save_internvl(tmp_path_factory.mktemp("internvl"))


def harmed(folder, file, change):
    path = folder / file
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def copied(folder, to):
    shutil.copytree(folder, to, dirs_exist_ok=True)
    return to


@pytest.mark.parametrize("config", [CONFIG, REAL], ids=["toy", "real"])
def test_there_and_back_every_weight_is_the_same(config, tmp_path):
    model = toy_model(config)
    back = load(save(model, toy_tokenizer(tmp_path / "words.json"), tmp_path / "model", {"metrics": {"ade_m": 1.5}, "limits": ("none",)}))
    before, after = model.state_dict(), back.model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert back.model.config == config and back.model.first_special == model.first_special
    assert back.provenance == {"metrics": {"ade_m": 1.5}, "limits": ["none"]}
    assert [view.camera for view in back.views][:3] == ["CAM_FRONT", "CAM_FRONT_NARROW", "CAM_FRONT_LEFT"]


def test_transformers_opens_the_folder_without_heron(saved):
    from transformers import AutoModelForImageTextToText

    model, folder = saved
    theirs = AutoModelForImageTextToText.from_pretrained(str(folder), local_files_only=True, use_safetensors=True)
    ids = torch.tensor([[60, 61, 62]])
    with torch.no_grad():
        hidden = model.language_model(inputs_embeds=model.embed(ids), use_cache=False).last_hidden_state
        torch.testing.assert_close(theirs(input_ids=ids).logits, model.words(hidden))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / "driveheron.yaml").unlink(), "no driveheron.yaml"),
        (lambda f: (f / "driveheron.safetensors").unlink(), "driveheron.safetensors is missing"),
        (lambda f: (f / "driveheron.safetensors").write_bytes(b"\x80\x04pickled"), "driveheron.safetensors: cannot be read"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "pytorch_model.bin is pickled"),
        (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (
            lambda f: (f / "driveheron.yaml").write_text((f / "driveheron.yaml").read_text().replace("plan_queries: 2", "plan_queries: 3")),
            r"plan.0.bias: \[64\], expected \[96\]",
        ),
        (lambda f: (f / "driveheron.yaml").write_text((f / "driveheron.yaml").read_text().replace("format: 1", "format: 9")), "format 9"),
    ],
)
def test_a_broken_checkpoint_says_what_is_wrong(harm, message, saved, tmp_path):
    harm(copied(saved[1], tmp_path / "model"))
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path / "model")


def test_a_real_checkpoint_sees_what_it_saw(internvl, tmp_path):
    """On a square picture, whose position embedding needs no fitting, tokens are InternVL's own."""
    config = dataclasses.replace(REAL, checkpoint=str(internvl))
    model, theirs = from_internvl(config, tmp_path / "tokenizer.json").eval(), open_internvl(internvl).eval()
    picture = torch.randint(0, 256, (2, 3, 56, 56), dtype=torch.uint8)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        _, ours = model.eyes(config.images[1], normalised(picture, torch.float32), [])
        seen = theirs.model.get_image_features(
            pixel_values=(picture / 255.0 - mean) / std, vision_feature_layer=-1, vision_feature_select_strategy="default"
        )
        torch.testing.assert_close(ours, getattr(seen, "pooler_output", seen), atol=1e-4, rtol=1e-4)


def test_position_embeddings_are_fitted_as_internvl_does_it(internvl):
    embeddings = open_internvl(internvl).model.vision_tower.embeddings
    learnt = embeddings.position_embeddings
    assert torch.equal(fitted(learnt, 4, 4), learnt)
    patches = torch.zeros(1, 1 + 6 * 6, learnt.shape[2])
    torch.testing.assert_close(fitted(learnt, 6, 6), embeddings.interpolate_pos_encoding(patches, 84, 84))
    assert fitted(learnt, 2, 6).shape == (1, 13, learnt.shape[2])


def test_a_real_checkpoint_keeps_its_words_and_learns_ours(internvl, tmp_path):
    folder = copied(internvl, tmp_path / "checkpoint")
    harmed(folder, "config.json", lambda c: {name: value for name, value in c.items() if name != "tie_word_embeddings"})  # as older versions wrote it
    model = from_internvl(dataclasses.replace(REAL, checkpoint=str(folder)), tmp_path / "tokenizer.json")
    theirs, words = open_internvl(internvl), Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    rows = REAL.language.vocabulary
    assert model.first_special == rows and model.vocabulary == rows + len(SPECIALS)
    assert [words.token_to_id(token) for token in SPECIALS] == list(range(rows, rows + len(SPECIALS)))
    assert words.encode("turn left", add_special_tokens=False).ids == Tokenizer.from_file(str(internvl / "tokenizer.json")).encode("turn left").ids
    assert torch.equal(model.language_model.get_input_embeddings().weight[:rows], theirs.get_input_embeddings().weight)
    assert torch.equal(model.speech_head.weight[:rows], theirs.lm_head.weight)
    assert not torch.equal(theirs.lm_head.weight, theirs.get_input_embeddings().weight)
    assert model.word_ids.min() >= rows and model.pad == rows


def test_other_sizes_are_refused_one_by_one(internvl, tmp_path):
    other = LanguageConfig(**{**dataclasses.asdict(REAL.language), "intermediate": 64, "rope_theta": 1e4})
    config = dataclasses.replace(REAL, checkpoint=str(internvl), language=other)
    with pytest.raises(
        CheckpointError, match=r"language.intermediate = 64, the checkpoint has 48; language.rope_theta = 10000.0, the checkpoint has 1000000"
    ):
        from_internvl(config, tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: harmed(f, "config.json", lambda c: {**c, "model_type": "llava"}), "architecture is llava, DriveHeron begins with internvl"),
        (lambda f: harmed(f, "config.json", lambda c: {**c, "model_type": "internvl_chat"}), "ends in -hf"),
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "config.json: cannot be read"),
        (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "pickled"),
        (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:1000]), "transformers cannot open it"),
        (
            lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-00001.safetensors"}}'),
            "model-00001.safetensors is missing",
        ),
        (lambda f: harmed(f, "config.json", lambda c: {**c, "vision_config": {**c["vision_config"], "num_hidden_layers": 3}}), "vision.layers = 1"),
    ],
)
def test_what_is_no_internvl_is_refused(harm, message, internvl, tmp_path):
    folder = copied(internvl, tmp_path / "checkpoint")
    harm(folder)
    with pytest.raises(CheckpointError, match=message):
        from_internvl(dataclasses.replace(REAL, checkpoint=str(folder)), tmp_path / "tokenizer.json")


def test_a_checkpoint_is_never_fetched(tmp_path):
    with pytest.raises(CheckpointError, match="nothing is fetched"):
        from_internvl(dataclasses.replace(REAL, checkpoint="OpenGVLab/InternVL3-1B-hf"), tmp_path / "tokenizer.json")
    with pytest.raises(ConfigError, match="needs `checkpoint`"):
        from_internvl(REAL, tmp_path / "tokenizer.json")


@pytest.mark.parametrize(("height", "width"), [(90, 160), (28, 100)])
def test_sizes_that_the_encoder_cannot_take_are_refused(height, width):
    with pytest.raises(ValueError, match=f"{height} x {width} pixels, but the encoder takes multiples of 28"):
        ModelConfig(images=(ImagesConfig("front", 1, height, width),), vision=VisionConfig(stem="patches", patch=14, image_size=448), signal_input="")


def test_a_preset_that_is_not_there_names_those_that_are():
    assert {"tiny", "1b", "2b"} <= set(preset_names(PRESETS))
    assert load_preset("tiny", PRESETS) == ModelConfig()
    with pytest.raises(ConfigError, match="1b, 2b"):
        load_preset("3b", PRESETS)
