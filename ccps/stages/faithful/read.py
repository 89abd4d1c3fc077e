"""The model reads traces: log-probabilities, what estimators make of states, and what it thinks of its own answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from ccps.asking.follow_up import QUERY, FollowUp
from ccps.core.artifacts import ROWS, TENSORS, Artifact
from ccps.core.errors import expected
from ccps.llm.reading import TraceReading
from ccps.llm.taking import STATE_NAMES
from ccps.pipeline.by_shard import reasons
from ccps.pipeline.model import SharedModel
from ccps.pipeline.stage import Stage, Work
from ccps.reasoning.generate import ReadTrace, TraceReader
from ccps.reasoning.measures import Measure
from ccps.reasoning.stored_traces import STATES, stored_traces
from ccps.settings.faithful.traces import TraceSettings

_SCHEMA = pa.schema([("trace_id", pa.string()), ("p_true", pa.float64()), ("reason", pa.string())])


class ReadStage(Stage):
    """Shard by shard the same traces: rows of trace id and P(True), tensors `<index>.<name>` of each trace.

    The tensors are `top_log_probs` `[tokens, k]` and `log_probs` `[tokens]`, the numbers of each measure as
    `<measure>.<name>`, and in a file of their own the states that are kept. A trace without token ids has a row that
    says so, and no tensors.
    """

    name = "read"
    version = 4
    unit = "shards"
    independent = True

    def __init__(
        self,
        traces: Artifact,
        label: str,
        model: SharedModel,
        settings: TraceSettings,
        measures: Sequence[Measure] = (),
        *,
        ask_p_true: bool,
    ) -> None:
        super().__init__()
        self.traces = traces
        self.label = label
        self.shared = model
        self.settings = settings
        self.measures = measures
        self.ask_p_true = ask_p_true

    @property
    def title(self) -> str:
        """Whose traces."""
        return self.label

    def inputs(self) -> Mapping[str, Any]:
        """Traces and model, what is kept and made, and how much is read at once, which decides the last bits."""
        return {
            "traces": self.traces,
            "model": self.shared.files.fingerprint,
            "alternatives": self.settings.alternatives,
            "states": sorted(self.settings.states),
            "measures": {one.name: one.inputs() for one in self.measures},
            "max_batch_tokens": self.settings.max_batch_tokens,
            "query": QUERY if self.ask_p_true else None,
        }

    def prepare(self, device: torch.device) -> None:
        """Load the model, and read what the prompts of all traces begin with."""
        lm = self.shared.get(device)
        if (k := self.settings.alternatives) > (tokens := lm.head.weight.shape[0]):
            what = "`faithful.traces.alternatives` and `faithful.deepconf.k`"
            raise expected(what, f"at most {tokens}, the tokens of the model", k, "Lower the larger one.")
        messages = [{"role": "user", "content": ""}]
        follow_up = FollowUp(lm, messages, ["self_evaluation"]) if self.ask_p_true else None
        self.reader = TraceReader(lm, self.settings, follow_up, self.measures)
        traces = [stored.trace for stored in stored_traces(self.traces)]
        self.reader.read_shared([trace.prompt_ids for trace in traces if not self.reader.obstacle(trace)])

    def plan(self) -> Sequence[Sequence[Work]]:
        """Shard by shard."""
        return [[Work(shard)] for shard in range(self.traces.n_shards)]

    def step(self, content: int) -> list[ReadTrace]:
        """Read the traces of a shard; what cannot be read comes back as it is."""
        traces = [stored.trace for stored in stored_traces(self.traces, shards=[content])]
        read = iter(self.reader.read([trace for trace in traces if not self.reader.obstacle(trace)]))
        return [ReadTrace(trace, None) if self.reader.obstacle(trace) else next(read) for trace in traces]

    def save_shard(self, outputs: list[list[ReadTrace]], folder: Path) -> Mapping[str, float]:
        """Write P(True), log-probabilities, numbers and states."""
        read = outputs[0]
        rows = [
            {"trace_id": one.trace.id, "p_true": one.p_true, "reason": self.reader.obstacle(one.trace)} for one in read
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), folder / ROWS)
        for file, of in ((TENSORS, _numbers), (STATES, _states)):
            tensors = {
                f"{index}.{name}": tensor.contiguous()
                for index, one in enumerate(read)
                for name, tensor in (of(one.reading).items() if one.reading is not None else ())
            }
            if tensors:
                save_file(tensors, folder / file)
        return {
            "n": len(read),
            "tokens": sum(len(one.trace.prompt_ids) + len(one.trace.token_ids or ()) for one in read),
        }

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the traces that were read, and the others by reason."""
        rows = artifact.written_rows().to_pandas()
        asked = rows["p_true"].dropna()
        return {
            "read": int((rows["reason"] == "").sum()),
            "reasons": reasons(rows["reason"]),
            **({"mean_p_true": float(asked.mean())} if len(asked) else {}),
        }


def _numbers(reading: TraceReading) -> dict[str, torch.Tensor]:
    """Log-probabilities, as float32, and what was made of the states."""
    logs = {"top_log_probs": reading.top_log_probs, "log_probs": reading.log_probs}
    return {**{name: torch.from_numpy(own).float() for name, own in logs.items()}, **reading.numbers}


def _states(reading: TraceReading) -> dict[str, torch.Tensor]:
    """The states that are kept."""
    kept = {name: getattr(reading, name) for name in STATE_NAMES}
    return {name: states for name, states in kept.items() if states is not None}
