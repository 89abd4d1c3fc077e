"""From a scorer's folder to a server that answers."""

import ipaddress

import uvicorn

from ccps.core.console import say as tell
from ccps.core.errors import expected
from ccps.scorer import ConfidenceScorer
from ccps.serve.app import make_app
from ccps.serve.limits import Limits
from ccps.serve.upstream import Upstream


def serve(
    scorer: ConfidenceScorer,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    limits: Limits | None = None,
    key: str | None = None,
    upstream: Upstream | None = None,
    risk: float = 0.1,
    confidence: float = 0.9,
) -> None:
    """Answer requests until the process is told to end; what is in hand is finished first.

    Args:
        scorer: a fitted one; its model is loaded before the first request is taken.
        host: the address to listen at.
        port: the port.
        limits: see `ccps.serve.Limits`.
        key: that clients must send; asked for wherever others than this machine can reach the server.
        upstream: the endpoint that writes the answers.
        risk: see `ccps.serve.make_app`.
        confidence: see `ccps.serve.make_app`.

    Raises:
        UserError: others could reach the server and there is no key, or the model is not there.
    """
    if key is None and not is_loopback(host):
        way_out = "Set one in the environment and name it with --key-env, or listen at 127.0.0.1."
        raise expected("a key", f"given, as others can reach {host}", "none", way_out)
    scorer.open()
    app = make_app(scorer, limits, key=key, upstream=upstream, risk=risk, confidence=confidence)
    tell("serve", scorer.settings.model_name, f"http://{host}:{port}/v1", state="listens")
    # The client's own headers are of no use here, and the log of requests is what /metrics counts.
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=10, server_header=False)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
