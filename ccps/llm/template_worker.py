"""Render chat templates in a process of their own: a program that came with the weights gets little memory there.

Run as a script by `ccps.llm.template_process`, which also ends it when it takes too long. It imports nothing of this
package, and reads and writes one line of JSON at a time.
"""

import contextlib
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

MEMORY = 512 * 2**20
"""Bytes that a template may take beyond what the process has when it starts."""


def main() -> None:
    """Answer requests until there are no more."""
    from jinja2 import TemplateError

    _limit_memory()
    for line in sys.stdin:
        try:
            reply = {"text": _render(**json.loads(line))}
            written = json.dumps(reply)
        except (TemplateError, TypeError) as error:
            written = json.dumps({"refusal": str(error)})
        except MemoryError:
            written = json.dumps({"excess": "memory"})
        except Exception as error:  # whatever else a template does wrong, the parent says
            written = json.dumps({"refusal": f"{type(error).__name__}: {error}"[:500]})
        print(written, flush=True)


def _render(
    template: str, messages: list[Any], arguments: dict[str, Any], add_generation_prompt: bool, today: str, limit: int
) -> str:
    from transformers.utils.chat_template_utils import _compile_jinja_template, render_jinja_template

    # The library keeps the compiled template, so that what is changed here is what it renders.
    _compile_jinja_template(template).globals["strftime_now"] = datetime.fromisoformat(today).strftime
    texts: Any = render_jinja_template(
        conversations=[messages], chat_template=template, add_generation_prompt=add_generation_prompt, **arguments
    )
    text = str(texts[0][0])
    if len(text) > limit:
        raise MemoryError
    return text


def _limit_memory() -> None:
    # Before the limit, as its own size counts.
    import transformers.utils.chat_template_utils  # noqa: F401

    with contextlib.suppress(ImportError, OSError, ValueError):  # no such limits, or no such file, on other systems
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
