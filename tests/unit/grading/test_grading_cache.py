import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from ccps.core.errors import UserError
from ccps.grading.cache import Judgement, JudgementCache, Reply, ReplyCache

YES = Judgement("Yes.", True, "", 100, 2)
UNKNOWN = Judgement("maybe", None, "neither", None, None)

WRITER = """
import sys
from pathlib import Path
from ccps.grading.cache import Judgement, JudgementCache
cache = JudgementCache(Path(sys.argv[1]))
for i in range(20):
    cache.put(f"{sys.argv[2]}-{i}", Judgement("no", False, "", i, 0))
"""


def test_what_is_put_is_got_by_whoever_opens_the_file(tmp_path: Path) -> None:
    first, second = JudgementCache(tmp_path / "new"), JudgementCache(tmp_path / "new")
    assert first.get("a") is None
    first.put("a", YES)
    first.put("b", UNKNOWN)
    assert second.get("a") == YES
    assert second.get("b") == UNKNOWN
    no = YES._replace(correct=False)
    second.put("b", no)
    assert first.get("b") == no


def test_threads_share_one_connection(tmp_path: Path) -> None:
    cache = JudgementCache(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: cache.put(str(i), YES._replace(prompt_tokens=i)), range(40)))
    assert [cache.get(str(i)) for i in range(40)] == [YES._replace(prompt_tokens=i) for i in range(40)]


def test_processes_write_side_by_side(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, name]) for name in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    cache = JudgementCache(tmp_path)
    kept = [cache.get(f"{name}-{i}") for name in "ab" for i in range(20)]
    assert [judgement.prompt_tokens for judgement in kept if judgement] == [*range(20), *range(20)]


def test_a_damaged_file_is_named_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "judgements.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(UserError) as caught:
        JudgementCache(tmp_path)
    assert str(caught.value) == (
        f"Expected {tmp_path}/judgements.sqlite to be a file of judgements that can be read and written, but got "
        "“file is not a database”. If the file is damaged, move it away: what it held will be asked again. If the disk "
        "is full or may not be written to, mend that and run the same command again."
    )


def test_a_file_damaged_inside_is_noticed(tmp_path: Path) -> None:
    cache = JudgementCache(tmp_path)
    for i in range(20):
        cache.put(str(i), YES._replace(reply="Yes. " * 500))
    cache.close()
    content = bytearray(cache.path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    cache.path.write_bytes(content)
    with pytest.raises(UserError, match="move it away"):
        JudgementCache(tmp_path).get("7")


def test_a_file_of_another_shape_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "judgements.sqlite") as other:
        other.execute("CREATE TABLE judgements (key TEXT)")
    with pytest.raises(UserError, match="no such column"):
        JudgementCache(tmp_path).get("a")


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file"):
        JudgementCache(tmp_path / "file")


def test_replies_lie_in_a_file_of_their_own(tmp_path: Path) -> None:
    replies = ReplyCache(tmp_path)
    kept = Reply("[0.5]", 100, None)
    replies.put("a", kept)
    assert JudgementCache(tmp_path).get("a") is None
    assert ReplyCache(tmp_path).get("a") == kept
    assert {path.name for path in tmp_path.glob("*.sqlite")} == {"judgements.sqlite", "replies.sqlite"}


def test_judgements_of_earlier_releases_are_found(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "judgements.sqlite") as earlier:
        earlier.execute(
            "CREATE TABLE judgements (key TEXT PRIMARY KEY, reply TEXT NOT NULL, correct INTEGER, "
            "reason TEXT NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER, time REAL NOT NULL) WITHOUT ROWID"
        )
        earlier.execute("INSERT INTO judgements VALUES ('a', 'Yes.', 1, '', 100, 2, 0.0)")
    assert JudgementCache(tmp_path).get("a") == YES


def test_replies_of_an_earlier_version_are_found(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "replies.sqlite")) as old:
        columns = "text TEXT NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER"
        old.execute(f"CREATE TABLE replies (key TEXT PRIMARY KEY, {columns}, time REAL NOT NULL) WITHOUT ROWID")
        old.execute("INSERT INTO replies VALUES ('a', '[1]', 3, NULL, 0.5)")
        old.commit()
    replies = ReplyCache(tmp_path)
    assert replies.get("a") == Reply("[1]", 3, None)
    replies.put("b", Reply("", None, None, "the judge sent a reply that is no text"))
    assert ReplyCache(tmp_path).get("b") == Reply("", None, None, "the judge sent a reply that is no text")
