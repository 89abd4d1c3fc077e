import pytest

from ccps import console


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (12.3, "12 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7620, "2 h 07 min"),
        (90000, "25 h 00 min"),
    ],
)
def test_duration_reads_as_people_write_it(seconds, text):
    assert console.duration(seconds) == text


def test_step_is_one_line(capsys):
    console.say("fit", "llama, seed 1", "epochs 3")
    console.say("answer", "mmlu", state="reused")
    assert capsys.readouterr().out == "fit       llama, seed 1 · done · epochs 3\nanswer    mmlu · reused\n"


def test_long_lines_are_not_broken(capsys):
    console.say("fit", "x" * 300)
    assert capsys.readouterr().out.count("\n") == 1


def test_brackets_are_text_not_markup(capsys):
    console.say("fit", "[red]a[/red]", "saved in /data/[/old]/runs[1]")
    assert "[red]a[/red] · done · saved in /data/[/old]/runs[1]" in capsys.readouterr().out
