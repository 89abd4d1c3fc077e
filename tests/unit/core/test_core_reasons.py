from collections.abc import Mapping
from typing import Any

from filled_artifacts import write

from ccps.core.artifacts import Artifact
from ccps.core.reasons import with_reasons


def summed_up(artifact: Artifact, summary: Mapping[str, Any]) -> Artifact:
    with artifact.writing():
        write(artifact, 0)
        artifact.finish(1, summary)
    return Artifact.at(artifact.folder.parents[1], artifact.stage, artifact.inputs)


def test_reasons_are_a_mapping_in_the_manifest_and_names_for_readers(artifact: Artifact) -> None:
    counts = {"graded": 9, "unknown": {"no key": 2, "(odd) one": 1}, "cut": {}, "why": "because"}
    found = summed_up(artifact, with_reasons(counts))
    assert found.summary == {"graded": 9, "why": "because", "by_reason": {"unknown": {"no key": 2, "(odd) one": 1}}}
    assert found.reasons("unknown") == {"no key": 2, "(odd) one": 1}
    assert found.reasons("cut") == {}
    assert found.figures == {"graded": 9, "unknown ((odd) one)": 1, "unknown (no key)": 2, "why": "because"}
    assert list(found.figures) == sorted(found.figures)


def test_a_summary_without_reasons_says_nothing_of_them(artifact: Artifact) -> None:
    found = summed_up(artifact, with_reasons({"graded": 9, "unknown": {}}))
    assert found.summary == found.figures == {"graded": 9}


def test_reasons_of_artifacts_made_when_they_stood_in_names_are_read(artifact: Artifact) -> None:
    found = summed_up(artifact, {"graded": 9, "unknown (no accepted answer)": 2, "not scored (empty (at all))": 1})
    assert found.summary["graded"] == 9
    assert found.reasons("unknown") == {"no accepted answer": 2}
    assert found.reasons("not scored") == {"empty (at all)": 1}
