import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError
from ccps.pipeline import publish as module
from ccps.pipeline.publish import check_writable, publish_report, publishing


def report(root: Path, *names: str) -> Artifact:
    artifact = Artifact.at(root, "report", {"names": list(names)})
    with artifact.writing(), artifact.shard(0) as folder:
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(f"new {name}")
    artifact.finish(1, {})
    return artifact


def visible(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("[!.]*") if path.is_file())


def test_stale_files_of_an_earlier_run_go_and_files_of_others_stay(tmp_path: Path) -> None:
    output = tmp_path / "output"
    (output / "figures").mkdir(parents=True)
    (output / "figures" / "mine.png").write_text("not written by a run")
    publish_report(report(tmp_path, "report.html", "figures/ccps.png", "figures/entropy.png"), output)
    publish_report(report(tmp_path, "report.html", "figures/ccps.png", "tables/main.md"), output)
    assert visible(output) == ["figures/ccps.png", "figures/mine.png", "report.html", "tables/main.md"]
    assert (output / "report.html").read_text() == "new report.html"


def test_a_broken_report_is_not_handed_out(tmp_path: Path) -> None:
    artifact = report(tmp_path, "report.html")
    (artifact.folder / "00000" / "report.html").write_text("something else")
    with pytest.raises(UserError, match=r"report\.html is not what was written.*Remove the folder"):
        publish_report(artifact, tmp_path / "output")


@pytest.mark.parametrize("blocked", ["output", "output/figures", "output/figures/a.png/mine"])
def test_an_output_that_cannot_be_written_is_said(tmp_path: Path, blocked: str) -> None:
    (tmp_path / blocked).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / blocked).write_text("a file where a folder is wanted")
    with pytest.raises(UserError, match=r"Cannot write to the output folder .*set paths.output to another folder"):
        publish_report(report(tmp_path, "figures/a.png"), tmp_path / "output")


def test_the_output_is_tried_before_anything_is_computed(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "deep")
    assert list((tmp_path / "new" / "deep").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Cannot write to the output folder"):
        check_writable(tmp_path / "file")


class Killed(BaseException):
    """Ends a run as a signal would."""


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_an_output_is_as_it_was_until_the_new_one_is_whole(tmp_path: Path) -> None:
    output = tmp_path / "output"
    publish_report(report(tmp_path, "report.html", "tables/a.csv"), output)
    (output / "mine.txt").touch()
    before = names(output)
    with pytest.raises(Killed):
        _begin(output, lambda folder: _never())
    assert names(output) == before
    assert (output / "report.html").read_text() == "new report.html"
    assert [path.name for path in tmp_path.glob(".output*")] == []


@pytest.mark.parametrize("moment", range(4))
def test_a_run_killed_in_the_midst_of_the_exchange_is_put_right_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    output = tmp_path / "output"
    publish_report(report(tmp_path, "report.html", "tables/a.csv"), output)
    for mine in ("mine.txt", "tables/mine.csv"):
        (output / mine).write_text("mine")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        _begin(output, lambda folder: _kill_before(patch, moment))
    check_writable(output)
    assert (output / "report.html").read_text() in ("new report.html", "newer")
    assert {"mine.txt", "tables/mine.csv"} <= set(visible(output))
    assert ("tables/a.csv" in visible(output)) == ((output / "report.html").read_text() != "newer")
    assert [path.name for path in tmp_path.glob(".output.old")] == []


def _begin(output: Path, then: Callable[[Path], None]) -> None:
    with publishing(output) as folder:
        (folder / "report.html").write_text("newer")
        then(folder)


def _kill_before(patch: pytest.MonkeyPatch, moment: int) -> None:
    """Kill at one of the renames of the exchange: nothing of what would put it right in this run is done."""
    rename: Callable[..., Path] = Path.rename
    left = [moment]

    def counted(path: Path, target: Path) -> Path:
        if left[0] == 0:
            patch.setattr(shutil, "rmtree", _never)
            patch.setattr(Path, "rename", _never)
            raise Killed
        left[0] -= 1
        return rename(path, target)

    patch.setattr(Path, "rename", counted)


def _never(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize("kind", ["cwd", "mount", "link"])
def test_a_folder_that_cannot_be_exchanged_is_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    output = tmp_path / "output"
    output.mkdir()
    number = output.stat().st_ino
    if kind == "cwd":
        monkeypatch.chdir(output)
    elif kind == "mount":
        monkeypatch.setattr(module, "_set_aside", lambda target: False)
    else:
        (tmp_path / "link").symlink_to(output)
        output = tmp_path / "link"
    (output / "mine.txt").write_text("mine")
    publish_report(report(tmp_path, "report.html", "tables/a.csv"), output)
    publish_report(report(tmp_path, "report.html", "tables/b.csv"), output)
    assert visible(output) == ["mine.txt", "report.html", "tables/b.csv"]
    assert output.is_symlink() == (kind == "link")
    assert (output.stat().st_ino == number) == (kind != "link")
    assert {path.name for path in tmp_path.iterdir()} == {"output", "report", *(["link"] if kind == "link" else [])}


def test_empty_folders_and_links_of_the_user_stay(tmp_path: Path) -> None:
    output = tmp_path / "output"
    publish_report(report(tmp_path, "report.html"), output)
    (output / "empty" / "deep").mkdir(parents=True)
    (output / "link").symlink_to("nowhere")
    publish_report(report(tmp_path, "report.html", "b.html"), output)
    assert (output / "empty" / "deep").is_dir()
    assert (output / "link").readlink() == Path("nowhere")
