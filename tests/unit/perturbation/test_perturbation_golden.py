"""The released code's own values, on inputs that cover flips, saturation, small radii and a single step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ccps.perturbation import FEATURE_NAMES, reference_features, stability_features

GOLDEN = sorted((Path(__file__).parents[2] / "golden").glob("*.npz"))


def test_all_four_golden_files_are_there() -> None:
    assert [path.stem for path in GOLDEN] == ["a", "one_step", "saturated", "small_radius"]


@pytest.mark.parametrize("compute", [stability_features, reference_features])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_features_equal_the_released_code(compute: Any, path: Any) -> None:
    with np.load(path) as golden:
        assert tuple(golden["names"]) == FEATURE_NAMES
        hidden, weight, ids = (torch.from_numpy(golden[name]) for name in ("hidden", "weight", "token_id"))
        features = compute(hidden, weight, ids, float(golden["radius"]), int(golden["steps"]))
        expected = golden["features"]
    assert features.dtype == torch.float32
    np.testing.assert_allclose(features.numpy(), expected, rtol=1e-3, atol=1e-3)


def test_saturated_tokens_do_not_move() -> None:
    with np.load(GOLDEN[2]) as golden:
        still = golden["features"][:, FEATURE_NAMES.index("jacobian_norm_token")] <= 1e-9
        hidden, weight, ids = (torch.from_numpy(golden[name]) for name in ("hidden", "weight", "token_id"))
    assert still.sum() == 6
    features = stability_features(hidden, weight, ids)[torch.from_numpy(still)]
    column = {name: features[:, i] for i, name in enumerate(FEATURE_NAMES)}
    assert (column["l2_dist_hidden_perturbed_from_original_max"] == 0).all()
    assert column["epsilon_to_flip_token"].isinf().all()
    assert (column["perturbed_logit_actual_std"] == 0).all()
    torch.testing.assert_close(column["perturbed_entropy_mean"], column["original_entropy"])
