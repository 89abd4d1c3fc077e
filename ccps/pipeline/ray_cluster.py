"""The cluster of Ray that a run uses: joined or started, and how many actors its nodes have room for."""

import logging
import os
import signal
import socket
from importlib.util import find_spec

from ccps.core.console import say
from ccps.core.errors import expected
from ccps.settings.sharing import RayConfig

_KNOCK_S = 10.0
_MOST = 300
"""Characters of what Ray says of an error."""


def check_ray(run_on: str) -> None:
    """Refuse Ray where it is not installed.

    Raises:
        UserError: it is not.
    """
    if run_on == "ray" and find_spec("ray") is None:
        raise expected("`run_on`", "here", "ray, which is not installed", "Run `pip install 'ccps[ray]'`.")


class Cluster:
    """A cluster that is joined when there is something to do.

    Args:
        config: which one, and what each actor gets of it.
        accelerator: of Lightning, in the actors.
    """

    def __init__(self, config: RayConfig, accelerator: str) -> None:
        self._config = config
        self._accelerator = accelerator
        self._joined = False

    def join(self) -> bool:
        """Join the cluster, or start one; whether that was still to be done.

        Raises:
            UserError: it cannot be reached.
        """
        if self._joined:
            return False
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        address = self._config.address
        handler = signal.getsignal(signal.SIGTERM)
        try:
            _knock(address)
            dashboard = None if address else False  # of a cluster that is there it is not ours to say
            ray.init(address=address, include_dashboard=dashboard, logging_level=logging.WARNING)
        except (OSError, RuntimeError, ValueError) as error:
            got, way_out = f"`{address}` ({in_brief(error)})", "Start one with `ray start --head`, or leave it out."
            raise expected("`ray.address`", "a cluster of Ray that can be reached", got, way_out) from error
        finally:
            signal.signal(signal.SIGTERM, handler)  # which Ray takes for itself
        self._joined = True
        return True

    def tell(self) -> None:
        """Say which one it is, and how many actors it has room for.

        Raises:
            UserError: none.
        """
        import ray

        nodes = len([node for node in ray.nodes() if node["Alive"]])
        say(
            "ray",
            self._config.address or "this machine",
            f"nodes {nodes}, actors at most {self.places()}",
            state="joined",
        )

    def leave(self) -> None:
        """Let the actors go, and leave the cluster; one that was started for this run ends."""
        if self._joined:
            import ray

            ray.shutdown()
            self._joined = False

    @property
    def gpus(self) -> float:
        """GPUs of each actor."""
        import ray

        if self._config.gpus_per_worker is not None:
            return self._config.gpus_per_worker
        return float(self._accelerator != "cpu" and ray.cluster_resources().get("GPU", 0) > 0)

    def places(self) -> int:
        """How many actors there may be at most.

        Raises:
            UserError: no node has room for one, and no number is asked for.
        """
        return self._config.workers or self._places_now()

    def _places_now(self) -> int:
        """How many actors the nodes have room for, whatever else runs there.

        Raises:
            UserError: none.
        """
        import ray

        needs = {"CPU": self._config.cpus_per_worker, "GPU": self.gpus}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        places = sum(
            min(int(node.get(name, 0) / need + 1e-6) for name, need in needs.items() if need) for node in nodes
        )
        if not places:
            wants = " and ".join(f"{need:g} {name}" for name, need in needs.items() if need)
            way_out = "Lower ray.gpus_per_worker or ray.cpus_per_worker, or set ray.workers to wait for such a node."
            raise expected("the cluster of Ray", f"one with a node that has {wants}", f"none of {len(nodes)}", way_out)
        return places


def _knock(address: str | None) -> None:
    """Make sure that somebody listens where a cluster is named by host and port: Ray itself would try for minutes.

    Raises:
        OSError: nobody does.
    """
    host, separator, port = (address or "").rpartition(":")
    if separator and port.isdigit() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()


def in_brief(error: Exception) -> str:
    """What Ray says of an error, on one line."""
    text = " ".join(str(error).split())
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"
