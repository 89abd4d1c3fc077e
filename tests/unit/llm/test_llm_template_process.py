"""Templates that want too much are stopped, on any thread, and the next prompt is laid out all the same."""

import os
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from ccps.llm import template_process
from ccps.llm.template_process import TemplateExcessError, TemplateProcess, TemplateRefusalError

HARMLESS = "{% for m in messages %}{{ m.content }};{% endfor %}{{ bos_token }}"
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% if a > b %}{% endif %}{% endfor %}{% endfor %}"
HEAVY = [
    "{{ ('x' * 2000000000) | length }}",
    "{{ 'x'.center(2000000000) | length }}",
    "{% set n = namespace(x='xxxxxxxx') %}{% for i in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x[0] }}",
    "{{ '%02000000000d' % 3 }}",
    "{{ [0] * 3000000000 }}",
]


@pytest.fixture(scope="module")
def process() -> Iterator[TemplateProcess]:
    process = TemplateProcess()
    yield process
    process.close()


def render(process: TemplateProcess, template: str, **arguments: Any) -> str:
    said = [{"role": "user", "content": "Who?"}]
    return process.render(template, said, arguments, add_generation_prompt=True, today="2025-01-01T00:00:00")


def test_what_the_template_says_is_what_comes_back(process: TemplateProcess) -> None:
    assert render(process, HARMLESS, bos_token="<é>\n") == "Who?;<é>\n"
    assert render(process, "{{ strftime_now('%d %b %Y') }}") == datetime(2025, 1, 1).strftime("%d %b %Y")
    assert render(process, "{% if add_generation_prompt %}yes{% endif %}") == "yes"


@pytest.mark.parametrize("template", HEAVY)
def test_a_template_gets_little_memory(process: TemplateProcess, template: str) -> None:
    with pytest.raises(TemplateExcessError, match="memory"):
        render(process, template)
    assert render(process, HARMLESS) == "Who?;"


def test_a_prompt_has_a_longest_length(process: TemplateProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_process, "MOST_CHARACTERS", 5)
    assert render(process, HARMLESS) == "Who?;"
    with pytest.raises(TemplateExcessError, match="memory"):
        render(process, HARMLESS, bos_token="s")


def test_a_template_gets_little_time_on_any_thread(process: TemplateProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    render(process, HARMLESS)
    monkeypatch.setattr(template_process, "SECONDS", 1.0)
    caught: list[Exception] = []

    def ask() -> None:
        try:
            render(process, ENDLESS)
        except TemplateExcessError as error:
            caught.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert "not done after 1 seconds" in str(caught[0])
    monkeypatch.undo()
    assert render(process, HARMLESS) == "Who?;"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ raise_exception('no system message') }}", "no system message"),
        ("{{ messages.append(1) }}", "unsafe"),
        ("{{ ''.__class__.__base__ }}", "unsafe"),
        ("{% if %}", "Expected an expression"),
        ("{{ 1 + 'a' }}", "unsupported operand"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
    ],
)
def test_what_a_template_refuses_is_said(process: TemplateProcess, template: str, said: str) -> None:
    with pytest.raises(TemplateRefusalError, match=said):
        render(process, template)


def test_many_threads_get_each_their_own(process: TemplateProcess) -> None:
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        found[number] = render(process, HARMLESS, bos_token=str(number))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: f"Who?;{number}" for number in range(20)}


def test_it_begins_anew_when_it_was_ended(process: TemplateProcess) -> None:
    render(process, HARMLESS)
    assert process._process is not None
    first = process._process.pid
    os.kill(first, 9)
    process._process.wait()
    assert render(process, HARMLESS) == "Who?;"
    assert process._process.pid != first
