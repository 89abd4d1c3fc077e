import time, torch, yaml
from ccps.llm import find_model, load_model
from ccps.llm.config import ModelConfig
from ccps.data.benchmarks import load_questions, BenchmarkSpec
from ccps.data.sampling import sample
from ccps.interview import Interview, Manner


def spec(n):
    return BenchmarkSpec(**yaml.safe_load(open(f"conf/benchmark/{n}.yaml"))[n])


cfg = ModelConfig(**yaml.safe_load(open("conf/model/qwen25_coder_1b5.yaml"))["qwen25_coder_1b5"])
lm = load_model(find_model("qwen25_coder_1b5", cfg))
for name, tot in (("mmlu", 57), ("mmlu_oe", 52)):
    qs = sample(load_questions(spec(name)).questions, per_subject=1, order="shuffled", seed=23)
    for mb in (1024, 2048):
        for rep in range(2):
            for collect in ((), ("layer_states",), ("layer_states", "self_evaluation")):
                t = time.perf_counter()
                iv = Interview(lm, qs, Manner(max_batch_tokens=mb), collect)
                t1 = time.perf_counter()
                a = iv.answer_all()
                dt = time.perf_counter() - t1
                print(
                    name,
                    len(qs),
                    mb,
                    collect,
                    round(dt, 2),
                    "s",
                    round(dt / len(qs), 3),
                    "per q; follow",
                    round(iv.follow_up.seconds, 2) if iv.follow_up else 0,
                    iv.follow_up and iv.follow_up.tokens_read / len(qs),
                    flush=True,
                )
