from pathlib import Path

import pytest
import torch
from squares import Squares

from ccps.core.errors import UserError
from ccps.pipeline.computing import run_stage
from ccps.pipeline.stage import Run


def test_an_accelerator_that_is_not_there_is_the_users_to_mend(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(UserError, match=r"`trainer.accelerator` to be one that this machine has, but got 'gpu'"):
        run_stage(Squares(), Run(tmp_path, "gpu"))
