import math
from dataclasses import replace
from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.core.settings import check
from ccps.settings.faithful.traces import TraceSettings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0.0}, "`faithful.traces.temperature` to be from 0.001 to 1000"),
        ({"temperature": math.inf}, "`faithful.traces.temperature` to be from 0.001 to 1000"),
        ({"top_p": 0.0}, "`faithful.traces.top_p` to be above 0 and at most 1"),
        ({"max_new_tokens": 0}, "`faithful.traces.max_new_tokens` to be from 1 to"),
        ({"alternatives": 0}, "`faithful.traces.alternatives` to be from 1 to"),
        ({"traces_per_question": 0}, "`faithful.traces.traces_per_question` to be from 1 to"),
        ({"max_batch_tokens": 0}, "`faithful.traces.max_batch_tokens` to be from 1 to"),
        ({"seed": -1}, "`faithful.traces.seed` to be from 0 to"),
        ({"states": ["middle"]}, "`faithful.traces.states` to be ones of pre_norm, post_norm, final"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    check(TraceSettings(), "faithful.traces")
    with pytest.raises(UserError, match=message):
        check(replace(TraceSettings(), **changes), "faithful.traces")


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(UserError) as error:
        check(TraceSettings(top_p=2.0, seed=-1), "faithful.traces")
    assert "traces.top_p" in str(error.value)
    assert "traces.seed" in str(error.value)
