"""What there is to work with, and nothing that is secret."""

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from commands import ended

from ccps.cli.commands import doctor

SECRETS = ("s3cret-of-wandb", "s3cret-of-the-hub", "s3cret-of-the-judge")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without keys and caches."""
    for name in (*doctor._KEYS, "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CCPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def examined(capfd: pytest.CaptureFixture[str], code: int = 0) -> tuple[dict[str, Any], str]:
    capfd.readouterr()
    assert [ended(*arguments) for arguments in (["doctor", "--json"], ["doctor"])] == [code, code]
    out = capfd.readouterr().out
    found, end = json.JSONDecoder().raw_decode(out)
    return found, out[end:]


def test_it_tells_versions_machine_and_places(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (home / "cache" / "old").mkdir(parents=True)
    (home / "cache" / "old" / "file").write_bytes(b"12345")
    found, page = examined(capfd)
    assert found["versions"]["torch"] == metadata.version("torch")
    assert found["versions"]["vllm"] is None
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["memory"] >= found["machine"]["memory_available"] > 0
    assert found["places"]["cache of ccps"]["bytes"] == 5
    assert found["places"]["cache of the hub"]["exists"] is False
    assert found["assets"]["smollm2-135m-instruct"] == {"found": False, "bytes": 98_362_432}
    assert not any(found["keys"].values())
    assert page.endswith("Nothing is in the way.\n")


def test_keys_are_told_to_be_there_and_never_what_they_are(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (home / ".netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {SECRETS[0]}\n")
    (home / ".netrc").chmod(0o600)
    token = home / ".cache" / "huggingface" / "token"
    token.parent.mkdir(parents=True)
    token.write_text(SECRETS[1])
    monkeypatch.setenv("OPENAI_API_KEY", SECRETS[2])
    found, page = examined(capfd)
    assert {name for name, there in found["keys"].items() if there} == {"WANDB_API_KEY", "HF_TOKEN", "OPENAI_API_KEY"}
    for secret in SECRETS:
        assert secret not in json.dumps(found) + page


@pytest.mark.parametrize(
    ("package", "version", "problem"),
    [
        ("lightning", "2.6.2", "lightning 2.6.2 is a malicious release"),
        ("torch", "2.5.1", "torch 2.5.1 does not do: pip install 'torch>=2.6'"),
        ("peft", None, "peft is missing: pip install 'peft>=0.14'"),
    ],
)
def test_what_is_in_the_way_is_told(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    package: str,
    version: str | None,
    problem: str,
) -> None:
    found = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: version if name == package else found(name))
    record, page = examined(capfd, code=2)
    (told,) = record["problems"]
    assert told.startswith(problem)
    assert f"  - {problem}" in page


def test_a_gpu_that_torch_cannot_use_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    found = doctor._version
    monkeypatch.setattr(doctor, "gpus", lambda: ["A card, 80000 MiB, 550"])
    monkeypatch.setattr(doctor, "_version", lambda name: "2.9.0+cpu" if name == "torch" else found(name))
    record, _ = examined(capfd, code=2)
    assert record["problems"] == ["there is a GPU, but torch 2.9.0+cpu is built without: install a build with CUDA"]
