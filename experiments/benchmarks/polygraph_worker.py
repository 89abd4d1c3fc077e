"""Scores prompts by lm-polygraph, as a line from stdin asks for it; run by the Python of an environment that has it.

First line: `model` (a folder), `dtype`, `prompts`. Every further one: `batch`. It answers each with a
line of JSON: the tokens of each prompt, then the uncertainty of each answer. Nothing of ours is imported here.
"""

import json
import os
import sys
from typing import Any


def main() -> None:
    """Answer until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    import torch
    from lm_polygraph.defaults.register_default_stat_calculators import register_default_stat_calculators
    from lm_polygraph.estimators import MaximumSequenceProbability
    from lm_polygraph.utils.builder_enviroment_stat_calculator import BuilderEnvironmentStatCalculator
    from lm_polygraph.utils.dataset import Dataset
    from lm_polygraph.utils.manager import UEManager
    from lm_polygraph.utils.model import WhiteboxModel
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    first = json.loads(sys.stdin.readline())
    loaded = AutoModelForCausalLM.from_pretrained(first["model"], torch_dtype=getattr(torch, first["dtype"])).eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{first['model']}/tokenizer.json", padding_side="left")
    end = loaded.generation_config.eos_token_id
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end[0] if isinstance(end, list) else end)
    tokenizer.pad_token = tokenizer.eos_token
    model = WhiteboxModel(loaded, tokenizer)

    def values(batch: int) -> list[float]:
        estimator = MaximumSequenceProbability()
        manager = UEManager(
            Dataset(first["prompts"], [""] * len(first["prompts"]), batch_size=batch),
            model,
            [estimator],
            available_stat_calculators=register_default_stat_calculators("Whitebox"),
            builder_env_stat_calc=BuilderEnvironmentStatCalculator(model),
            generation_metrics=[],
            ue_metrics=[],
            processors=[],
            ignore_exceptions=False,
            verbose=False,
            max_new_tokens=1,
        )
        with torch.inference_mode():
            manager()
        return [float(value) for value in manager.estimations[estimator.level, str(estimator)]]

    def say(found: dict[str, Any]) -> None:
        print(json.dumps(found), file=answers, flush=True)

    say({"tokens": [len(tokenizer(prompt)["input_ids"]) for prompt in first["prompts"]]})
    for line in sys.stdin:
        say({"values": values(json.loads(line)["batch"])})


if __name__ == "__main__":
    main()
