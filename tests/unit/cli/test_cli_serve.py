"""What `ccps serve` makes of its command line; what the server then does has tests of its own."""

import os
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

import pytest

import ccps.serve.run
from ccps import ConfidenceScorer
from ccps.cli.commands.serve import _arguments, run
from ccps.core.errors import UserError

COMPILED = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"


def parsed(*words: str) -> Namespace:
    parser = ArgumentParser()
    _arguments(parser)
    return parser.parse_args(["my_scorer", *words])


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a server is started with, instead of one that listens."""
    found: dict[str, Any] = {}

    def serve(scorer: object, host: str, port: int, **settings: Any) -> None:
        found.update(scorer=scorer, host=host, port=port, **settings)

    monkeypatch.setenv(COMPILED, "7")  # what a run sets for good is put back
    monkeypatch.setattr(ccps.serve.run, "serve", serve)
    monkeypatch.setattr(ConfidenceScorer, "load", lambda *what, **how: (what, how))
    return found


def test_by_default_it_listens_to_this_machine_alone(served: dict[str, Any]) -> None:
    assert run(parsed()).data == {"served": "my_scorer"}
    assert (served["host"], served["port"]) == ("127.0.0.1", 8000)
    assert served["scorer"] == (("my_scorer",), {"location": None, "device": "auto"})
    assert (served["key"], served["upstream"]) == (None, None)
    limits = served["limits"]
    assert (limits.body_bytes, limits.queued, limits.batch, limits.answer_s) == (1 << 20, 512, 16, 120)


def test_every_flag_arrives(served: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "sesame")
    monkeypatch.setenv("THEIRS", "open")
    run(
        parsed(
            *("--model", "/m", "--device", "cpu", "--host", "0.0.0.0", "--port", "0", "--key-env", "OURS"),
            *("--upstream", "http://localhost:9000/v1", "--upstream-key-env", "THEIRS", "--risk", "0.2"),
            *("--confidence", "0.8", "--batch", "3", "--queue", "4", "--max-body", "5", "--timeout", "6"),
        )
    )
    assert served["scorer"] == (("my_scorer",), {"location": "/m", "device": "cpu"})
    assert (served["host"], served["port"], served["key"]) == ("0.0.0.0", 0, "sesame")
    assert (served["risk"], served["confidence"]) == (0.2, 0.8)
    limits = served["limits"]
    assert (limits.batch, limits.queued, limits.body_bytes, limits.answer_s) == (3, 4, 5, 6)
    assert served["upstream"] is not None


@pytest.mark.parametrize("flag", ["--key-env", "--upstream-key-env"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_key_that_is_not_in_the_environment_is_refused(
    served: dict[str, Any], monkeypatch: pytest.MonkeyPatch, flag: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv("NO_KEY", raising=False)
    else:
        monkeypatch.setenv("NO_KEY", value)
    with pytest.raises(UserError, match="Expected the variable `NO_KEY` to be a key, but got nothing"):
        run(parsed(flag, "NO_KEY", "--upstream", "http://localhost:9000/v1"))
    assert served == {}


@pytest.mark.parametrize(
    "words",
    [
        ("--port", "65536"), ("--port", "-1"), ("--port", "http"), ("--batch", "0"), ("--queue", "-3"),
        ("--max-body", "2000000000"), ("--timeout", "0"), ("--risk", "0"), ("--risk", "1"), ("--confidence", "nan"),
        ("--confidence", "most"),
    ],
)  # fmt: skip
def test_values_beyond_their_range_are_refused(capsys: pytest.CaptureFixture[str], words: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parsed(*words)
    assert caught.value.code == 2
    assert f"argument {words[0]}: invalid" in capsys.readouterr().err


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccps.serve.run", None)
    with pytest.raises(UserError, match=r"the extra `serve` to be installed.*pip install 'ccps\[serve\]'"):
        run(parsed())


def test_few_compiled_products_are_kept_unless_the_user_says_how_many(
    served: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(parsed())
    assert os.environ[COMPILED] == "7"
    monkeypatch.delenv(COMPILED)
    run(parsed())
    assert os.environ[COMPILED] == "256"
