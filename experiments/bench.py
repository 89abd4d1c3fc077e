"""Speed and size on this machine, beside the paper's own procedure and plain batching; writes `docs/benchmarks.md`.

python -m experiments.bench                     everything: an hour or so on two cores
python -m experiments.bench quick=true          the small models only: some minutes
python -m experiments.bench parts=[answers]     one part; the others stay on the page as they are
python -m experiments.bench device=cpu          on the CPU, although there is a GPU
python -m experiments.bench output=/tmp/bench   the page somewhere else
"""

import os
import sys
from pathlib import Path
from typing import Any

from experiments.benchmarks.settings import BenchConfig, to_bench
from experiments.launch import launch


def check(settings: dict[str, Any]) -> None:
    """Refuse settings that cannot be run."""
    to_bench(settings)


def main(settings: dict[str, Any]) -> None:
    """Measure what the settings ask for and write the page."""
    import torch

    from ccps.core.console import say
    from ccps.pipeline.publish import check_writable
    from experiments.benchmarks.page import Made, describe_machine, shell_command, today, write_page
    from experiments.benchmarks.sections import measure

    config = to_bench(settings)
    check_writable(Path(config.output))
    load, device = os.getloadavg()[0], config.chosen_device()
    torch.set_num_threads(config.threads)
    made = Made(today(), shell_command(sys.argv[1:]), config.repetitions, describe_machine(load, device))
    for sections in measure(config):  # a part that is done stays, whatever becomes of the next
        page = write_page(sections, made, Path(config.output))
        say("bench", ", ".join(section.title for section in sections), str(page), state="written")


if __name__ == "__main__":
    stopped = "Stopped. The parts that are done stand on the page; `parts=[…]` measures the others."
    launch(main, check, config_name="bench", shape=BenchConfig, stopped=stopped)
