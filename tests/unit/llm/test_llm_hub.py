from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.utils._paths import filter_repo_objects
from saved_models import WEIGHTS

from ccps.core.errors import UserError
from ccps.llm import ModelConfig, find_model


@pytest.mark.parametrize("location", ["nobody/has-this", "not a valid id!"])
def test_hub_without_a_network_says_how_to_do_without(location: str) -> None:
    with pytest.raises(UserError, match=r"Model `m`: the hub has no readable .*model\.m\.source=folder"):
        find_model("m", ModelConfig(source="hub", location=location))


def test_hub_fetches_what_is_needed_once_and_no_pickles(monkeypatch: pytest.MonkeyPatch, folder: Any) -> None:
    asked: dict[Any, Any] = {}

    def snapshot_download(location: Any, **options: Any) -> str:
        asked.update(options, location=location)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    found = find_model("m", ModelConfig(source="hub", location="org/name", revision="abc", dtype="float32"))
    assert (found.folder, asked["location"], asked["revision"]) == (folder, "org/name", "abc")
    offered = ["config.json", "model-00001-of-00002.safetensors", "consolidated.safetensors", "pytorch_model.bin"]
    patterns = {name: asked[name] for name in ("allow_patterns", "ignore_patterns")}
    assert list(filter_repo_objects(offered, **patterns)) == offered[:2]


def test_hub_repository_with_pickled_weights_only_is_refused(monkeypatch: pytest.MonkeyPatch, folder: Any) -> None:
    (folder / WEIGHTS).unlink()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda location, **options: str(folder))
    with pytest.raises(UserError, match="checkpoint in safetensors format"):
        find_model("m", ModelConfig(source="hub", location="org/name"))
