"""A model becomes a policy folder that says, word for word and metre for metre, what PyTorch says."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import save_file
from toy_model import CONFIG, REAL, toy_model, toy_tokenizer

from heron_core.errors import ConfigError
from heron_model import hugging_face
from heron_model.cameras import views_of
from heron_model.export import further, parity, policy
from heron_model.export.graphs import NAVIGATOR_OUTPUTS, sample_inputs
from heron_model.export.origin import STACK, source_lines
from heron_model.export.storage import LEAST, rounded
from heron_model.hugging_face import CheckpointError
from heron_model.layout import SLOTS
from heron_vla.folder import PolicyError, load_policy

SHIPPED = Path(__file__).resolve().parents[3] / "config" / "policy" / "driveheron"
PROVENANCE = {
    "data": {"train": "sha256 12ab", "held_out": "sha256 34cd"},
    "recipe": "none",
    "metrics": {"ade_m": 0.87654},
    "limits": ["knows no roads"],
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    checkpoint = hugging_face.Checkpoint(toy_model(), toy_tokenizer(folder / "words.json"), views_of(CONFIG), {"mode": "quality"}, PROVENANCE)
    steps = []
    return checkpoint, policy.write_policy(checkpoint, folder / "policy", "toy", steps.append), steps


def test_the_folder_keeps_its_promises(exported):
    _, folder, steps = exported
    found = load_policy(folder)
    files = {"policy.yaml", "navigator.onnx", "decode.onnx", "tokenizer.json", "further.safetensors", "README.md"}
    assert {file.name for file in folder.iterdir()} == files
    assert found.spec.text.slots[-1].words == SLOTS[-1].words
    assert found.past_inputs == {"narrow_past1": ("narrow", 1)}
    assert found.preprocessing.mode == "quality"
    assert len(steps) == 4


def test_provenance_reaches_policy_and_card(exported):
    _, folder, _ = exported
    told = yaml.safe_load((folder / "policy.yaml").read_text())["provenance"]
    assert {name: told[name] for name in PROVENANCE} == PROVENANCE
    assert set(told["export"]["parity"]) == {*NAVIGATOR_OUTPUTS, "logits", "cache_out"}
    card = (folder / "README.md").read_text()
    assert "0.8765" in card and "knows no roads" in card and "sha256 34cd" in card


def test_onnx_runtime_gives_what_pytorch_gives_for_any_batch_and_text(exported):
    checkpoint, folder, _ = exported
    graphs = [(folder / name).read_bytes() for name in ("navigator.onnx", "decode.onnx")]
    found = parity.check_parity(rounded(checkpoint.model), *graphs)
    assert 0.0 < found.worst <= parity.LIMIT
    model, session = rounded(checkpoint.model), parity.open_session(graphs[0])
    for batch, text in ((1, 24), (5, 1)):
        inputs = sample_inputs(CONFIG, model.vocabulary, batch, text, seed=77)
        with torch.no_grad():
            wanted = model.prefill(inputs, *list(inputs.values())[-4:])
        for name, ours, theirs in zip(
            NAVIGATOR_OUTPUTS, session.run(list(NAVIGATOR_OUTPUTS), {k: v.numpy() for k, v in inputs.items()}), wanted, strict=True
        ):
            np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4, rtol=0, err_msg=name)


def test_a_policy_folder_opens_as_the_model_that_it_was(exported):
    """Every weight, norms and heads that no graph holds among them; only what the model never reads may differ."""
    checkpoint, folder, _ = exported
    found, wanted = further.open_model(folder), rounded(checkpoint.model)
    assert (found.views, found.preprocessing["mode"]) == (checkpoint.views, "quality") and found.provenance["data"] == PROVENANCE["data"]
    read = {name for name, parameter in wanted.named_parameters() if parameter.requires_grad} | {name for name, _ in wanted.named_buffers()}
    state, ours = wanted.state_dict(), found.model.state_dict()
    assert {"signals.features.0.1.running_var", "lead.weight"} <= read and set(ours) == set(state)
    assert [name for name in state if name in read and not torch.equal(ours[name], state[name])] == []
    assert (folder / further.FURTHER).stat().st_size < (folder / "navigator.onnx").stat().st_size / 2


@pytest.mark.slow
def test_a_real_model_s_policy_opens_too(tmp_path):
    """Patches instead of convolutions, an output layer of its own."""
    checkpoint = hugging_face.Checkpoint(toy_model(REAL), toy_tokenizer(tmp_path / "words.json"), views_of(REAL))
    policy.write_policy(checkpoint, tmp_path / "policy")
    found, wanted = further.open_model(tmp_path / "policy").model, rounded(checkpoint.model)
    inputs = sample_inputs(REAL, wanted.vocabulary, 2, 5)
    for model in (found, wanted):
        model.eval()
    with torch.no_grad():
        ours, theirs = (model.prefill(inputs, *list(inputs.values())[-4:]) for model in (found, wanted))
    assert all(torch.equal(mine, its) for mine, its in zip(ours, theirs, strict=True))
    assert torch.equal(found.speech_head.weight, wanted.speech_head.weight)


def test_the_policy_that_ships_can_be_trained_on():
    opened = further.open_model(SHIPPED)
    graphs = [(SHIPPED / name).read_bytes() for name in ("navigator.onnx", "decode.onnx")]
    assert parity.check_parity(opened.model, *graphs).worst <= parity.LIMIT


def test_a_policy_that_cannot_be_trained_on_says_why(exported, tmp_path):
    _, folder, _ = exported
    copy = tmp_path / "policy"
    shutil.copytree(folder, copy)
    rest = copy / further.FURTHER
    whole = rest.read_bytes()
    rest.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"further.safetensors: cannot be read: .*; export the policy again"):
        further.open_model(copy)
    save_file({"x": torch.zeros(1)}, str(rest))
    with pytest.raises(CheckpointError, match="does not say model, vocabulary"):
        further.open_model(copy)
    with safe_open(str(folder / further.FURTHER), "pt") as file:
        about = json.loads(file.metadata()["driveheron"])
    save_file({"x": torch.zeros(1)}, str(rest), {"driveheron": json.dumps({**about, "navigator": "0" * 64})})
    with pytest.raises(CheckpointError, match=r"belongs to another navigator\.onnx"):
        further.open_model(copy)
    save_file({"x": torch.zeros(1)}, str(rest), {"driveheron": json.dumps(about)})
    with pytest.raises(CheckpointError, match=r"\d\d weights do not fit its model, such as .*: missing, expected"):
        further.open_model(copy)
    rest.unlink()
    with pytest.raises(CheckpointError, match=r"a policy without further\.safetensors cannot be trained on; name the folder `model`"):
        further.open_model(copy)


def test_every_input_moves_the_plan(exported):
    """An input that the exporter had pruned, or mixed up with another, would leave it as it is."""
    checkpoint, folder, _ = exported
    session = parity.open_session((folder / "navigator.onnx").read_bytes())
    inputs = {name: value.numpy() for name, value in sample_inputs(CONFIG, checkpoint.model.vocabulary, 1, 6).items()}
    inputs["command"][:] = 0
    plan = session.run(["trajectory"], inputs)[0]
    for name, value in inputs.items():
        other = 1 - value if value.dtype == np.int64 and name == "command" else np.flip(value, -1)
        changed = session.run(["trajectory"], {**inputs, name: np.ascontiguousarray(other if name != "text_mask" else ~value)})[0]
        assert np.abs(changed - plan).max() > 1e-4, name


def test_graphs_that_differ_are_never_written(exported, tmp_path, monkeypatch):
    checkpoint, folder, _ = exported
    graph = onnx.load(str(folder / "navigator.onnx"))
    weight = next(tensor for tensor in graph.graph.initializer if tensor.name == "model.manoeuvre.weight")
    weight.raw_data = (np.frombuffer(weight.raw_data, np.float32) * np.float32(1.01)).tobytes()
    monkeypatch.setattr(policy, "navigator_graph", lambda model: graph.SerializeToString())
    monkeypatch.setattr(policy, "decode_graph", lambda model: (folder / "decode.onnx").read_bytes())
    with pytest.raises(parity.ParityError, match=r"differ by more than 0.0001 in .*cache by"):
        policy.write_policy(checkpoint, tmp_path / "policy")
    assert not (tmp_path / "policy").exists()


def test_weights_are_stored_in_half_and_computed_in_full(exported):
    _, folder, _ = exported
    graph = onnx.load(str(folder / "decode.onnx")).graph
    sizes = {tensor.data_type: 0 for tensor in graph.initializer}
    for tensor in graph.initializer:
        sizes[tensor.data_type] += int(np.prod(tensor.dims))
    assert sizes[onnx.TensorProto.FLOAT16] > 4 * sizes[onnx.TensorProto.FLOAT]
    assert all(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in graph.initializer if np.prod(tensor.dims) >= LEAST)
    casts = {node.output[0] for node in graph.node if node.op_type == "Cast" and node.input[0].endswith(".half")}
    computing = {name for node in graph.node if node.op_type != "Cast" for name in node.input}
    assert not {f"{name}.half" for name in casts} & computing and casts <= computing | {output.name for output in graph.output}


def test_nodes_tell_their_source_line_and_nothing_of_this_machine(exported):
    _, folder, _ = exported
    content = (folder / "navigator.onnx").read_bytes()
    told = [prop.value for node in onnx.load_from_string(content).graph.node for prop in node.metadata_props if prop.key == STACK]
    assert any("heron_model/vision.py" in value for value in told) and any("transformers/models/qwen2" in value for value in told)
    assert b"site-packages" not in content and str(folder.anchor + "home").encode() not in content
    ours, others = (
        'File "/x/src/heron_model/heron_model/model.py", line 7, in see',
        'File "/x/heron_model/heron_model/export/graphs.py", line 3, in forward',
    )
    stack = f"{others}\n  a\n{ours}\n  b"
    assert source_lines(stack) == 'File "heron_model/model.py", line 7, in see'


def test_a_policy_is_replaced_and_what_lies_beside_it_stays(exported, tmp_path, monkeypatch):
    checkpoint, folder, _ = exported
    monkeypatch.setattr(policy, "navigator_graph", lambda model: (folder / "navigator.onnx").read_bytes())
    monkeypatch.setattr(policy, "decode_graph", lambda model: (folder / "decode.onnx").read_bytes())
    policy.write_policy(checkpoint, tmp_path / "policy", "first")
    (tmp_path / "policy" / "evaluation.md").write_text("it drives")
    policy.write_policy(checkpoint, tmp_path / "policy", "second", precision="bf16")
    spec = load_policy(tmp_path / "policy").spec
    assert (spec.name, spec.precision) == ("second", "bf16")
    assert (tmp_path / "policy" / "evaluation.md").read_text() == "it drives"
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


def test_a_folder_of_something_else_is_not_overwritten(exported, tmp_path):
    checkpoint, _, _ = exported
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(policy.ExportError, match="no policy folder"):
        policy.write_policy(checkpoint, tmp_path)
    assert (tmp_path / "thesis.tex").is_file()


def test_an_altered_tokenizer_is_refused(exported, tmp_path):
    _, folder, _ = exported
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "tokenizer.json").write_text((folder / "tokenizer.json").read_text().replace("junction", "junktion"))
    with pytest.raises(PolicyError, match="sha256"):
        load_policy(tmp_path)


def test_views_that_the_graph_does_not_take_are_refused(exported, tmp_path):
    checkpoint, _, _ = exported
    views = list(views_of(CONFIG))
    views[0] = dataclasses.replace(views[0], width=96)
    with pytest.raises(ConfigError, match=r"front 64x32.*front 96x32"):
        hugging_face.save(checkpoint.model, checkpoint.tokenizer, tmp_path, {}, views)
