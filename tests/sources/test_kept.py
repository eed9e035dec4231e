from __future__ import annotations

import threading
import time

import pytest

from conformance.errors import InfraError, LoadError
from conformance.sources.kept import kept_folder


def test_two_who_want_the_same_folder_fill_it_once(tmp_path):
    """The second waits, and finds all of it there."""
    filled, found = [], []

    def fill(folder):
        (folder / "a").write_text("a")
        time.sleep(0.2)
        (folder / "b").write_text("b")
        filled.append(folder)

    def want():
        folder = kept_folder(tmp_path / "x", "it", fill, offline=False)
        found.append(sorted(p.name for p in folder.iterdir()))

    threads = [threading.Thread(target=want) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(filled) == 1
    assert found == [["a", "b"]] * 3


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_that_failed_is_not_there(tmp_path, resume):
    """What was begun is under no name that anybody takes for a model, and stays only to resume."""
    begun = []

    def fail(folder):
        begun.append(sorted(p.name for p in folder.iterdir()))
        (folder / "a").write_text("half")
        raise InfraError("the line is cut")

    for _ in range(2):
        with pytest.raises(InfraError):
            kept_folder(tmp_path / "x", "it", fail, offline=False, resume=resume)
    assert not (tmp_path / "x").exists()
    assert begun == [[], ["a"] if resume else []]
    with pytest.raises(LoadError, match=r"it is not in .* run once online"):
        kept_folder(tmp_path / "x", "it", fail, offline=True)


def test_what_a_killed_process_left_is_not_taken_over(tmp_path):
    """Nobody knows how far it had come."""
    (tmp_path / "x.filling").mkdir()
    (tmp_path / "x.filling" / "stray").write_text("of before")
    folder = kept_folder(tmp_path / "x", "it", lambda f: (f / "a").touch() or None, offline=False)
    assert [p.name for p in folder.iterdir()] == ["a"]
