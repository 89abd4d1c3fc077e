"""`ccps serve`: a scorer as a server."""

import os
from argparse import ArgumentParser, Namespace

from ccps.cli.command import Answer, Command, register
from ccps.core.errors import expected

# oneDNN keeps what it has compiled for each number of rows, 1,024 times unless told otherwise, and a server's batches
# have any number. Asked for before it multiplies for the first time (docs/serving.md).
_COMPILED, _KEPT = "ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256"


def run(arguments: Namespace) -> Answer:
    """Serve until the process is told to end."""
    os.environ.setdefault(_COMPILED, _KEPT)
    try:
        from ccps.serve.run import serve
        from ccps.serve.upstream import Upstream
    except ModuleNotFoundError as error:
        raise expected("the extra `serve`", "installed", f"no {error.name}", "pip install 'ccps[serve]'") from error
    from ccps import ConfidenceScorer
    from ccps.serve.limits import Limits

    limits = Limits(
        body_bytes=arguments.max_body,
        queued=arguments.queue,
        batch=arguments.batch,
        answer_s=arguments.timeout,
    )
    upstream = None
    if arguments.upstream is not None:
        upstream = Upstream(arguments.upstream, _key(arguments.upstream_key_env), arguments.timeout)
    serve(
        ConfidenceScorer.load(arguments.scorer, location=arguments.model, device=arguments.device),
        arguments.host,
        arguments.port,
        limits=limits,
        key=_key(arguments.key_env),
        upstream=upstream,
        risk=arguments.risk,
        confidence=arguments.confidence,
    )
    return Answer({"served": str(arguments.scorer)})


def _key(variable: str | None) -> str | None:
    """A key, out of the environment: on a command line every user of the machine could read it."""
    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        raise expected(f"the variable `{variable}`", "a key", "nothing", "Set it, or leave the flag out.")
    return key


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("scorer", help="folder of a scorer, or a hub repository that holds one")
    parser.add_argument("--model", help="where its language model lies, if it has moved")
    parser.add_argument("--device", default="auto", help="where that runs (auto, cpu, cuda)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (%(default)s: this machine alone)")
    parser.add_argument("--port", type=_port, default=8000, help="port (%(default)s)")
    parser.add_argument("--key-env", metavar="NAME", help="variable that holds the key clients must send")
    parser.add_argument("--upstream", metavar="URL", help="endpoint that writes the answers, as http://host:port/v1")
    parser.add_argument("--upstream-key-env", metavar="NAME", help="variable that holds that endpoint's key")
    parser.add_argument("--risk", type=_share, default=0.1, help="share of wrong answers to allow (%(default)s)")
    parser.add_argument("--confidence", type=_share, default=0.9, help="probability that it holds (%(default)s)")
    parser.add_argument("--batch", type=_positive, default=16, help="questions read together (%(default)s)")
    parser.add_argument("--queue", type=_positive, default=512, help="questions that may wait (%(default)s)")
    parser.add_argument("--max-body", type=_positive, default=1 << 20, help="bytes of a request (%(default)s)")
    parser.add_argument("--timeout", type=_positive, default=120, help="seconds for an answer (%(default)s)")


def _positive(text: str) -> int:
    value = int(text)
    if not 0 < value <= 1 << 30:
        raise ValueError(text)
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise ValueError(text)
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise ValueError(text)
    return value


register(
    Command(
        name="serve",
        place=46,
        summary="Serve a scorer: OpenAI's endpoints, with a confidence on each answer",
        examples={
            "ccps serve my_scorer": "at http://127.0.0.1:8000/v1, its own model answers",
            "ccps serve my_scorer --upstream http://localhost:9000/v1": "another endpoint answers, the scorer judges",
        },
        arguments=_arguments,
        run=run,
        description="What openai's client asks is answered as far as a scorer can honour it, and else refused.\n"
        "Each choice has `confidence`. See docs/serving.md.",
    )
)
