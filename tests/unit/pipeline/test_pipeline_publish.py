from pathlib import Path

import pytest

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError
from ccps.pipeline.publish import check_writable, copy_report, forget_others


def report(root: Path, *names: str) -> Artifact:
    artifact = Artifact.at(root, "report", {"names": list(names)})
    with artifact.writing(), artifact.shard(0) as folder:
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(f"new {name}")
    artifact.finish(1, {})
    return artifact


def publish(artifact: Artifact, folder: Path) -> None:
    forget_others(folder, copy_report(artifact, folder))


def visible(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("[!.]*") if path.is_file())


def test_stale_files_of_an_earlier_run_go_and_files_of_others_stay(tmp_path: Path) -> None:
    output = tmp_path / "output"
    (output / "figures").mkdir(parents=True)
    (output / "figures" / "mine.png").write_text("not written by a run")
    publish(report(tmp_path, "report.html", "figures/ccps.png", "figures/entropy.png"), output)
    publish(report(tmp_path, "report.html", "figures/ccps.png", "tables/main.md"), output)
    assert visible(output) == ["figures/ccps.png", "figures/mine.png", "report.html", "tables/main.md"]
    assert (output / "report.html").read_text() == "new report.html"


def test_a_broken_report_is_not_handed_out(tmp_path: Path) -> None:
    artifact = report(tmp_path, "report.html")
    (artifact.folder / "00000" / "report.html").write_text("something else")
    with pytest.raises(UserError, match=r"report\.html is not what was written.*Remove the folder"):
        publish(artifact, tmp_path / "output")


@pytest.mark.parametrize("blocked", ["output", "output/figures"])
def test_an_output_that_cannot_be_written_is_said(tmp_path: Path, blocked: str) -> None:
    (tmp_path / blocked).parent.mkdir(exist_ok=True)
    (tmp_path / blocked).write_text("a file where a folder is wanted")
    with pytest.raises(UserError, match=r"Cannot write to the output folder .*set paths.output to another folder"):
        publish(report(tmp_path, "figures/a.png"), tmp_path / "output")


def test_the_output_is_tried_before_anything_is_computed(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "deep")
    assert list((tmp_path / "new" / "deep").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Cannot write to the output folder"):
        check_writable(tmp_path / "file")
