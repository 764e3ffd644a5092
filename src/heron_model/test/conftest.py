"""Makes what tests of this package share importable."""

import functools
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def one_tokenizer():
    """All trainings of a module share one: it takes longer to train than toy models."""
    from heron_model.train import run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "train_tokenizer", functools.cache(run.train_tokenizer))
        yield
