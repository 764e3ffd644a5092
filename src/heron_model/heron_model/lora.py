"""Low-rank adapters: a real checkpoint learns to drive while nearly all of its weights stay as they are."""

from __future__ import annotations

import copy
from typing import Any

from heron_model.config import LoraConfig
from heron_model.model import DriveHeron


def add_adapters(model: DriveHeron, config: LoraConfig) -> DriveHeron:
    """Freezes the InternVL inside and puts adapters into it; the parts for driving go on training whole. Changes `model`; returns it.

    Word embeddings and output layer train whole too: the words of the thoughts are new in them.
    """
    if config.rank == 0:
        return model
    from peft import LoraConfig as PeftConfig
    from peft import inject_adapter_in_model

    peft = PeftConfig(r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=list(config.targets), bias="none")
    inject_adapter_in_model(peft, model.vlm)
    model.language_model.get_input_embeddings().requires_grad_(True)
    return model


def merged(model: DriveHeron) -> DriveHeron:
    """A copy in which every adapter is added to what it adapts; a model without adapters as it is."""
    if not any(_is_adapter(module) for module in model.modules()):
        return model
    whole = copy.deepcopy(model)
    for name, module in list(whole.named_modules()):
        if _is_adapter(module):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(whole.get_submodule(parent), child, module.get_base_layer())
    return whole


def _is_adapter(module: Any) -> bool:
    from peft.tuners.lora import LoraLayer

    return isinstance(module, LoraLayer)
