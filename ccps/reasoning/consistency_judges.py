"""Whether a continuation agrees with the step in whose place it stands: four ways to tell.

All give an inconsistency, 0 where a continuation bears the step out and 1 where it does not. They mean different things
by that: see `YesNoJudge`, `NliJudge`, `LexicalJudge` and `NumericJudge`.
"""

from pathlib import Path
from typing import Any, cast

import torch

from ccps.core.settings import check
from ccps.faithful import Mode
from ccps.grading.asker import ChatAsker, asked_of
from ccps.llm import LanguageModel, ModelFiles, find_model, load_model
from ccps.llm.checkpoint import fingerprint
from ccps.meaning.entailment import Entailment, find_entailment_model
from ccps.reasoning.judge_base import ConsistencyJudge, Pair, Verdict
from ccps.reasoning.judge_models import EndpointJudge, NliJudge, YesNoJudge
from ccps.reasoning.judge_prompt import AGREEMENT_VERSION
from ccps.reasoning.judge_texts import LexicalJudge, Measure, NumericJudge
from ccps.settings.faithful.judge import JudgeChoice

__all__ = [
    "ConsistencyJudge",
    "EndpointJudge",
    "JudgeChoice",
    "LexicalJudge",
    "NliJudge",
    "NumericJudge",
    "Pair",
    "Verdict",
    "YesNoJudge",
    "judge_inputs",
    "open_judge",
]

# Of the judges that ask no model: raise it if one of them would give another verdict.
_VERSION = 1


def judge_inputs(choice: JudgeChoice, under_study: ModelFiles) -> dict[str, Any]:
    """Everything beside texts and mode that decides verdicts, for the key of an artifact.

    Args:
        choice: without faults.
        under_study: the model under study.

    Raises:
        UserError: a model is not to be had.
    """
    own: dict[str, Any]
    if choice.name == "llm_yes_no" and choice.endpoint is not None:
        own = {**asked_of(choice.endpoint), "prompt": AGREEMENT_VERSION}
    elif choice.name == "llm_yes_no":
        files = under_study if choice.model is None else find_model("judge", choice.model)
        own = {
            "model": files.fingerprint,
            "prompt": AGREEMENT_VERSION,
            "max_new_tokens": choice.max_new_tokens,
            "max_batch_tokens": choice.max_batch_tokens,
        }
    elif choice.name == "nli":
        folder = find_entailment_model(choice.nli_model or "", "faithful.judge.nli_model")
        own = {"model": fingerprint(folder), "max_batch_tokens": choice.max_batch_tokens}
    else:
        own = {"version": _VERSION, **({"measure": choice.measure} if choice.name == "lexical" else {})}
    return {"judge": choice.name, **own}


def open_judge(
    choice: JudgeChoice,
    cache: Path,
    mode: Mode,
    device: torch.device | str = "cpu",
    under_study: LanguageModel | None = None,
) -> ConsistencyJudge:
    """Make a judge; a model of its own is loaded.

    Args:
        choice: its settings.
        cache: folder in which replies of an endpoint are kept; made when it is needed.
        mode: see `ConsistencyJudge` and `verdict_inconsistency`.
        device: where a model is put.
        under_study: needed if `choice.is_model_under_study`.

    Raises:
        UserError: naming every setting that is at fault, or the model that is not to be had.
        ValueError: the model under study is to judge itself and is not given.
    """
    check(choice, "faithful.judge")
    if choice.name == "lexical":
        return LexicalJudge(cast(Measure, choice.measure), mode)
    if choice.name == "numeric":
        return NumericJudge(mode)
    if choice.name == "nli":
        folder = find_entailment_model(choice.nli_model or "", "faithful.judge.nli_model")
        return NliJudge(Entailment(folder, device, "faithful.judge.nli_model"), mode, choice.max_batch_tokens)
    if choice.endpoint is not None:
        return EndpointJudge(ChatAsker(choice.endpoint, cache), mode)
    if choice.model is not None:
        lm = load_model(find_model("judge", choice.model), device)
    elif under_study is not None:
        lm = under_study
    else:
        raise ValueError("Expected `under_study` to be the model that judges itself, but got None. Load and pass it.")
    return YesNoJudge(lm, mode, choice.max_new_tokens, choice.max_batch_tokens)
