import pytest

from ccps.core import console


def test_step_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("fit", "llama, seed 1", "epochs 3")
    console.say("answer", "mmlu", state="reused")
    assert capsys.readouterr().out == "fit       llama, seed 1 · done · epochs 3\nanswer    mmlu · reused\n"


def test_long_lines_are_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("fit", "x" * 300)
    assert capsys.readouterr().out.count("\n") == 1


def test_brackets_are_text_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("fit", "[red]a[/red]", "saved in /data/[/old]/runs[1]")
    assert "[red]a[/red] · done · saved in /data/[/old]/runs[1]" in capsys.readouterr().out
