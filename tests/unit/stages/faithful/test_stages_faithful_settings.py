"""The settings of the faithful system: what is in `conf/` fits the schema, and what does not fit is refused."""

import pytest

from ccps.core.settings import SettingsError
from ccps.stages.faithful.checks import to_faithful
from experiments.configs import CONF
from experiments.launch import checked_overrides

GROUPS = ("dataset", "prompt", "judge", "decisiveness")
# What some files need beside themselves.
NEEDED = {
    "nli": ["faithful.judge.nli_model=some/model"],
    "external": ["faithful.decisiveness.path=scores.csv"],
    "llm_judge": [
        "faithful.decisiveness.judge.base_url=https://example.org/v1",
        "faithful.decisiveness.judge.model=some-model",
    ],
}


def faults(*overrides: str) -> list[str]:
    try:
        checked_overrides(list(overrides), "faithful", to_faithful)
    except SettingsError as error:
        return error.faults
    return []


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / "faithful" / group).glob("*.yaml"))


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "experiment").glob("faithful*.yaml")))
def test_every_experiment_fits(name: str) -> None:
    assert faults(f"experiment={name}") == []


def test_every_group_is_tested_here() -> None:
    assert {path.name for path in (CONF / "faithful").iterdir()} == set(GROUPS)


LISTING = {"musr", "supergpqa"}  # the options stand in their prompts
SHOWING = {"degrees_shown"}


def test_all_datasets_and_prompts_fit_together() -> None:
    datasets, prompts = set(names("dataset")), set(names("prompt"))
    for these, those in ((datasets, prompts - SHOWING), (datasets - LISTING, prompts)):
        assert faults(f"faithful/dataset=[{','.join(these)}]", f"faithful/prompt=[{','.join(those)}]") == []
    assert {"aime", "hle", "legalbench", "gsm8k", "basic_arithmetic", "open_facts"} | LISTING == datasets


@pytest.mark.parametrize("dataset", sorted(LISTING))
def test_demonstrations_without_options_are_refused_where_options_are_listed(dataset: str) -> None:
    (found,) = faults(f"faithful/dataset=[gsm8k,{dataset}]", "faithful/prompt=[baseline,degrees_shown]")
    assert "`faithful.prompt.degrees_shown.demonstrations` to be empty" in found
    assert f"but got 3 beside the task `{dataset}`, whose prompt lists options" in found


@pytest.mark.parametrize("reply", ["", None])
def test_a_demonstration_without_a_reply_is_refused(reply: str | None) -> None:
    own = "{question:Why?}" if reply is None else "{question:Why?,reply:''}"
    (found,) = faults(f"+faithful.prompt.mine={{demonstrations:[{own}]}}")
    assert "`faithful.prompt.mine.demonstrations.0.reply`" in found


@pytest.mark.parametrize("choice", [(group, name) for group in ("judge", "decisiveness") for name in names(group)])
def test_every_judge_fits_with_what_it_needs(choice: tuple[str, str]) -> None:
    group, name = choice
    assert faults(f"faithful/{group}={name}", *NEEDED.get(name, [])) == []


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("faithful.mode=loose", "`faithful.mode` to be one of strict, parity"),
        ("faithful.unit=word", "`faithful.unit` to be one of paragraph, sentence"),
        ("faithful.think_tag=maybe", "`faithful.think_tag` to be one of auto, none, user, prompt"),
        ("faithful.questions=0", "`faithful.questions` to be from 1 to"),
        ("faithful.rcc.mu=0", "`faithful.rcc.mu` to be above 0 and at most 1"),
        ("faithful.rcc.hidden=middle", "`faithful.rcc.hidden` to be one of pre_norm, post_norm"),
        ("faithful.deepconf.scale=-1", "`faithful.deepconf.scale` to be above 0"),
        ("faithful.scoring.mode=parity", "`faithful.scoring.mode` to be left out"),
        ("faithful.traces.temperature=0", "`faithful.traces.temperature` to be from 0.001 to 1000"),
        ("faithful.sampling.max_steps=1", "`faithful.sampling.max_steps` to be from 2 to"),
        ("faithful.estimators=[]", "`faithful.estimators` to hold at least one entry"),
        ("faithful.estimators=[rcc,rcc]", "`faithful.estimators` to be different names"),
        ("stages=[answer]", "unknown stage `answer`"),
        ("faithful/dataset=[]", "or `faithful.files` or `faithful.rollouts.path` to name traces made"),
        ("faithful/prompt=[basline]", "did you mean `baseline`?"),
    ],
)
def test_what_does_not_fit_is_refused(override: str, fault: str) -> None:
    (found,) = faults(override)
    assert fault in found


LONG = ["model=[llama31_8b_random]", "model.llama31_8b_random.toy=true"]
SHORT = "{source:random,location:llama,architecture:{max_position_embeddings:64}}"
NO_ROOM = "the context window of the model"


def test_what_leaves_no_room_for_its_prompt_is_refused() -> None:
    (found,) = faults(*LONG, "faithful.estimators=[sampling]", "faithful.sampling.max_new_tokens=131072")
    assert "`faithful.sampling.max_new_tokens` to be below 131,072, the context window of the model `llama31" in found
    own = [*LONG, "faithful.estimators=[sampling]", "faithful/judge=llm_yes_no", "faithful.judge.model=null"]
    (found,) = faults(*own, "faithful.judge.max_new_tokens=131072")
    assert f"`faithful.judge.max_new_tokens` to be below 131,072, {NO_ROOM} `llama31_8b_random`" in found
    (found,) = faults(*own[:-1], f"faithful.judge.model={SHORT}", "faithful.judge.max_new_tokens=64")
    assert f"`faithful.judge.max_new_tokens` to be below 64, {NO_ROOM} `faithful.judge.model`" in found
    assert faults(*own[:-1], f"faithful.judge.model={SHORT}", "faithful.judge.max_new_tokens=63") == []


def test_what_nobody_writes_may_be_of_any_length_and_a_trace_ends_with_the_window() -> None:
    assert faults(*LONG, "faithful.estimators=[deepconf]", "faithful.sampling.max_new_tokens=131072") == []
    assert faults(*LONG, "faithful.traces.max_new_tokens=131072") == []


def test_files_and_runs_of_our_own_may_not_share_their_names() -> None:
    twice = "faithful.files={a:{path:x,model:m},b:{path:y,model:m}}"
    (found,) = faults("model=[]", twice)
    assert "every model, dataset and prompt once" in found
