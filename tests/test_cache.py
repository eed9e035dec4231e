from __future__ import annotations

import os
import shutil
import signal  # noqa: F401 - for the processes, which import this module
import subprocess
import sys
import threading
import time  # noqa: F401 - as well
from dataclasses import replace
from pathlib import Path

import pytest

import conformance
from conformance.bundle import BundleManifest, digest_files, write_manifest
from conformance.cache import ENGINE, BundleCache, bundle_key
from conformance.cache.folders import bundle_folder, unfinished
from conformance.cache.limit import parse_size
from conformance.cache.upkeep import prune, stored, verify
from conformance.entry import Conversion, ZooEntry
from conformance.model import Case, FrameworkInfo

INFO = FrameworkInfo("mini", ("mini",), 18, (13, 21), ("numpy",), "", (), Conversion)


def entry(**more):
    return ZooEntry.model_validate(
        {
            "id": "m",
            "framework": "mini",
            "source": {"factory": "made_model:build", "args": {"width": 2}},
            "inputs": {"spec": {"x": {"shape": [2]}}},
            **more,
        }
    )


CASE = Case(entry(), "mini", 18, "fp32")


def fill(folder):
    (folder / "model.onnx").write_bytes(b"model")
    return finish(folder)


def finish(folder):
    """Complete a bundle of whatever is in the folder."""
    write_manifest(
        folder,
        BundleManifest(
            CASE, 0, {}, ("x",), ("y",), 0, None, None, 1.0, 5, 1, None, digest_files(folder)
        ),
    )
    return "made"


def test_a_bundle_is_made_once_and_found_afterwards(tmp_path):
    """The second call finds the first call's bundle and does not make it again."""
    cache = BundleCache(tmp_path)
    bundle, outcome = cache.get_or_make("abcd", fill)
    assert outcome == "made"
    again, outcome = cache.get_or_make("abcd", pytest.fail)
    assert outcome is None
    assert again.path == bundle.path


def test_an_incomplete_bundle_leaves_nothing_behind(tmp_path):
    """A folder without its manifest never becomes a bundle."""
    bundle, outcome = BundleCache(tmp_path).get_or_make(
        "abcd", lambda folder: (folder / "model.onnx").write_bytes(b"half")
    )
    assert (bundle, outcome) == (None, 4)
    assert not [f for f in (tmp_path / "bundles").rglob("*") if f.is_file()]


def test_a_damaged_bundle_is_dropped_with_a_warning_and_made_anew(tmp_path):
    """A flipped byte is never served."""
    cache = BundleCache(tmp_path)
    bundle, _ = cache.get_or_make("abcd", fill)
    bundle.model_path.write_bytes(b"mudel")
    with pytest.warns(UserWarning, match=r"cached bundle dropped: .*model\.onnx is damaged"):
        again, outcome = cache.get_or_make("abcd", fill)
    assert outcome == "made"
    assert again.model_path.read_bytes() == b"model"


def test_two_who_want_the_same_bundle_make_it_once(tmp_path):
    """The lock makes the second wait, and then find."""
    made = []

    def slow(folder):
        made.append(threading.get_ident())
        return fill(folder)

    threads = [
        threading.Thread(target=BundleCache(tmp_path).get_or_make, args=("abcd", slow))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def run_python(code, *arguments):
    """A real process that runs ``code`` with the helpers of this module."""
    return subprocess.Popen(
        [sys.executable, "-c", f"from test_cache import *\n{code}", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        stdout=subprocess.PIPE,
        text=True,
    )


def lay(root, key, size=5, used=0):
    """A bundle as an earlier process left it, last used ``used`` seconds after the epoch."""
    folder = bundle_folder(root, key)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"x" * size)
    finish(folder)
    os.utime(folder, (used, used))
    return folder


def keys(root):
    return [bundle.key for bundle in stored(root)]


HALF_DONE = """
def stuck(folder):
    fill(folder)  # the manifest is there as well: only the name is missing
    print("writing", flush=True)
    signal.pause()
BundleCache(Path(sys.argv[1])).get_or_make("abcd", stuck)
"""


@pytest.fixture
def killed(tmp_path):
    """A cache whose writer of ``abcd`` was killed with its lock held and its files written."""
    writer = run_python(HALF_DONE, tmp_path)
    with writer:
        assert writer.stdout.readline() == "writing\n"
        assert prune(tmp_path, 0).leftovers == (), "it is at work, nobody may sweep"
        writer.kill()
    assert len(unfinished(tmp_path)) == 1
    return tmp_path


def test_a_killed_writer_leaves_no_bundle_and_the_next_one_sweeps(killed):
    """The kernel releases the lock; the half-done folder is never served, and goes."""
    assert keys(killed) == []
    bundle, outcome = BundleCache(killed).get_or_make("abcd", fill)
    assert outcome == "made"
    assert bundle.path.is_dir()
    assert unfinished(killed) == []


def test_prune_sweeps_what_a_killed_writer_left(killed):
    """A key that nobody asks for again does not keep its leftovers for ever."""
    assert len(prune(killed, 10**9, dry_run=True).leftovers) == 1
    assert len(prune(killed, 10**9).leftovers) == 1
    assert unfinished(killed) == []


ASK = """
root, me, other = Path(sys.argv[1]), *sys.argv[2:]
(root / me).touch()
def make(folder):
    while not (root / other).exists():  # the other process asks for the same key meanwhile
        time.sleep(0.01)
    with (root / "made").open("a") as log:
        log.write(me)
    return fill(folder)
bundle, outcome = BundleCache(root).get_or_make("abcd", make)
print(outcome, bundle.model_path.read_bytes())
"""


def test_two_processes_that_want_the_same_bundle_make_it_once(tmp_path):
    """One converts, the other waits and finds; both get the whole model."""
    processes = [run_python(ASK, tmp_path, *names) for names in (("a", "b"), ("b", "a"))]
    said = sorted(process.communicate()[0] for process in processes)
    assert said == ["None b'model'\n", "made b'model'\n"]
    assert len((tmp_path / "made").read_text()) == 1


def test_a_full_disk_is_told_and_leaves_nothing_half_done(tmp_path):
    """What fails while a bundle is written fails for the caller; the cache stays as it was."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("a small disk can be mounted by root only")

    def too_large(folder):
        (folder / "model.onnx").write_bytes(bytes(10**6))

    try:
        cache = BundleCache(disk)
        cache.get_or_make("abcd", fill)
        with pytest.raises(OSError, match="No space left"):
            cache.get_or_make("ef01", too_large)
        assert keys(disk) == ["abcd"]
        assert unfinished(disk) == []
        assert cache.get_or_make("ef01", fill)[1] == "made"
    finally:
        # lazily, as this process keeps its lease on the cache open
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_bundle_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Every file and folder is synced before the rename, the parent after it."""
    synced = []
    real = os.fsync

    def watched(descriptor):
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink(), bundle.exists()))
        real(descriptor)

    bundle = bundle_folder(tmp_path, "abcd")
    monkeypatch.setattr(os, "fsync", watched)
    BundleCache(tmp_path).get_or_make("abcd", fill)
    before = {path.name.partition("-")[0] for path, there in synced if not there}
    assert before == {"model.onnx", "bundle.json", ".abcd"}
    assert [path for path, there in synced if there] == [bundle.parent]


def test_a_bundle_shares_no_file_with_anybody(tmp_path):
    """A maker that links files gets them copied: the other name can't change the bundle."""
    source = tmp_path / "weights"
    source.write_bytes(b"weights")

    def linking(folder):
        (folder / "hard").hardlink_to(source)
        (folder / "soft").symlink_to(source)
        return fill(folder)

    bundle, _ = BundleCache(tmp_path).get_or_make("abcd", linking)
    source.write_bytes(b"changed")
    for name in ("hard", "soft"):
        assert (bundle.path / name).read_bytes() == b"weights"
    assert BundleCache(tmp_path).get_or_make("abcd", pytest.fail)[1] is None


def test_a_link_in_place_of_a_bundle_is_not_served(tmp_path):
    """A bundle elsewhere may be changed after it was verified."""
    cache = BundleCache(tmp_path)
    elsewhere = lay(tmp_path / "elsewhere", "abcd")
    bundle_folder(tmp_path, "abcd").parent.mkdir(parents=True)
    bundle_folder(tmp_path, "abcd").symlink_to(elsewhere)
    with pytest.warns(UserWarning, match="is not a folder"):
        assert cache.get_or_make("abcd", fill)[1] == "made"
    assert elsewhere.is_dir()


@pytest.mark.parametrize("name", ["model.onnx", "bundle.json"])
def test_one_flipped_bit_anywhere_is_noticed(tmp_path, name):
    """Verifying finds it with its reason, and removes it when asked to."""
    lay(tmp_path, "abcd")
    file = lay(tmp_path, "ef01") / name
    data = bytearray(file.read_bytes())
    data[2] ^= 0x80
    file.write_bytes(data)
    whole, damaged = sorted(verify(tmp_path), key=lambda result: result.bundle.key)
    assert whole.problem is None
    assert str(file) in damaged.problem
    assert len(list(verify(tmp_path, remove=True))) == 2
    assert keys(tmp_path) == ["abcd"]


def test_the_least_recently_used_goes_first(tmp_path):
    """Pruning stops as soon as the rest fits; a dry run only tells."""
    for key, used in (("aa", 3), ("bb", 1), ("cc", 2)):
        lay(tmp_path, key, size=10_000, used=used)
    told = prune(tmp_path, 25_000, dry_run=True)
    assert keys(tmp_path) == ["bb", "cc", "aa"]
    pruned = prune(tmp_path, 25_000)
    assert [b.key for b in pruned.removed] == [b.key for b in told.removed] == ["bb"]
    assert keys(tmp_path) == ["cc", "aa"]
    assert 20_000 < pruned.left_bytes == told.left_bytes <= 25_000


def test_asking_for_a_bundle_makes_it_the_most_recently_used(tmp_path):
    """A hit counts as use, although it writes nothing."""
    lay(tmp_path, "aa", used=1)
    lay(tmp_path, "bb", used=2)
    BundleCache(tmp_path).get_or_make("aa", pytest.fail)
    assert keys(tmp_path) == ["bb", "aa"]


USE = """
BundleCache(Path(sys.argv[1])).get_or_make("aa", fill)
print("using", flush=True)
signal.pause()
"""


def test_a_bundle_in_use_stays_until_its_process_is_gone(tmp_path):
    """A run that goes on keeps what it asked for; killed, it keeps nothing."""
    lay(tmp_path, "aa")
    lay(tmp_path, "bb", used=5)
    with run_python(USE, tmp_path) as user:
        assert user.stdout.readline() == "using\n"
        pruned = prune(tmp_path, 0)
        assert [bundle.key for bundle in pruned.in_use] == ["aa"]
        assert keys(tmp_path) == ["aa"]
        user.kill()
    assert [bundle.key for bundle in prune(tmp_path, 0).removed] == ["aa"]
    assert list((tmp_path / "leases").iterdir()) == []


def test_a_cache_that_was_removed_from_under_a_run_is_begun_anew(tmp_path):
    """Somebody who removes the folder costs conversions, and no errors."""
    BundleCache(tmp_path / "cache").get_or_make("abcd", fill)
    shutil.rmtree(tmp_path / "cache")
    assert BundleCache(tmp_path / "cache").get_or_make("abcd", fill)[1] == "made"
    assert len(prune(tmp_path / "cache", 0).in_use) == 1


def test_the_limit_holds_by_itself(tmp_path, monkeypatch):
    """A new bundle pushes out old ones, and never itself or what this process uses."""
    monkeypatch.setenv("CONFORMANCE_CACHE_MAX_SIZE", "25kB")
    for key, used in (("aa", 1), ("bb", 2)):
        lay(tmp_path, key, size=10_000, used=used)
    cache = BundleCache(tmp_path)
    cache.get_or_make("aa", pytest.fail)

    def large(folder):
        (folder / "model.onnx").write_bytes(bytes(20_000))
        return finish(folder)

    bundle, _ = cache.get_or_make("cc", large)
    assert keys(tmp_path) == ["aa", "cc"]
    assert bundle.model_path.is_file()


def test_a_cache_is_looked_through_once_per_hundredth_of_its_limit(tmp_path, monkeypatch):
    """What others added is noticed when this process has added as much itself, not before."""
    monkeypatch.setenv("CONFORMANCE_CACHE_MAX_SIZE", "1MB")
    cache = BundleCache(tmp_path)

    def of(size):
        def write(folder):
            (folder / "model.onnx").write_bytes(bytes(size))
            return finish(folder)

        return write

    cache.get_or_make("aa", of(1000))
    lay(tmp_path, "others", size=1_100_000, used=1)
    cache.get_or_make("bb", of(1000))
    assert keys(tmp_path) == ["others", "aa", "bb"]
    cache.get_or_make("cc", of(10_000))
    assert keys(tmp_path) == ["aa", "bb", "cc"]


def test_a_limit_that_is_no_size_is_told(tmp_path, monkeypatch):
    """The bundle is there; that nothing was pruned is a warning."""
    monkeypatch.setenv("CONFORMANCE_CACHE_MAX_SIZE", "plenty")
    with pytest.warns(UserWarning, match="CONFORMANCE_CACHE_MAX_SIZE: 'plenty' is not a size"):
        assert BundleCache(tmp_path).get_or_make("abcd", fill)[1] == "made"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1000", 1000), ("5GB", 5 * 10**9), ("1.5 GiB", 3 * 2**29), ("2k", 2000), ("7b", 7)],
)
def test_sizes_are_read_as_people_write_them(text, expected):
    """Powers of 1000 and, with an i, of 1024."""
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-1", "5 bananas", "1iB", "1e9", "nan"])
def test_what_is_no_size_is_refused(text):
    """The message shows what a size looks like."""
    with pytest.raises(ValueError, match=r"is not a size such as 500MB, 5GB or 1\.5GiB"):
        parse_size(text)


@pytest.fixture
def key(tmp_path):
    (tmp_path / "made_model.py").write_text("def build(width): ...")

    def compute(case=CASE, seed=0, folder=tmp_path):
        return bundle_key(case, INFO, folder, seed)

    return compute


def test_the_key_changes_with_everything_that_decides_a_conversion(key, tmp_path):
    """Exporter, opset, variant, seed, source, inputs and versions each make another key."""
    other_source = entry(source={"factory": "made_model:build", "args": {"width": 3}})
    other_inputs = entry(inputs={"spec": {"x": {"shape": [3]}}})
    keys = {
        key(),
        key(replace(CASE, exporter="other")),
        key(replace(CASE, opset=19)),
        key(replace(CASE, variant="int8")),
        key(seed=1),
        key(replace(CASE, entry=other_source)),
        key(replace(CASE, entry=other_inputs)),
        bundle_key(CASE, replace(INFO, distributions=("onnx", "pytest")), tmp_path, 0),
    }
    assert len(keys) == 8


def test_the_key_does_not_change_with_what_only_judges(key):
    """Tolerance, expectations, tags and timeout leave a conversion as it is."""
    judged = entry(tags=["full"], timeout=5, tolerance={"k": 9, "reason": "test"})
    assert key(replace(CASE, entry=judged)) == key()


def test_the_key_changes_with_the_factorys_code(key, tmp_path):
    """The module that builds the model is part of the model, wherever the checkout stands."""
    for name, code in (("same", "def build(width): ..."), ("other", "def build(width): 1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "made_model.py").write_text(code)
    assert key(folder=tmp_path / "same") == key()
    assert key(folder=tmp_path / "other") != key()


def test_the_code_that_the_key_rests_on_is_there():
    """A module that was moved must not drop out of the key in silence."""
    package = Path(conformance.__file__).parent
    assert [name for name in ENGINE if not (package / name).exists()] == []
