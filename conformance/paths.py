"""Names and files that stay in their folder: what is refused before anything is opened.

Two strictnesses. What strangers made (a model's external data, bundles, test data) is a file of
its folder or it is refused. What a zoo names may be reached by links, so long as they stay in the
zoo file's folder.
"""

from __future__ import annotations

import re
import stat
import unicodedata
from pathlib import Path

#: Control, format (bidi among them), lone surrogates: what shows a name as another.
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_UNSEEN_REASON = "holds characters that are not seen"
#: What Git keeps of a clone, with hard links between clones; no framework reads a model from it.
_GIT = ".git"
_HUB_ID = re.compile(r"(?:\w[\w.-]*/)?\w[\w.-]*", re.ASCII)
_GITHUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[\w.-]{1,100}", re.ASCII)
_KAGGLE_HANDLE = re.compile(r"(?:[A-Za-z0-9][\w.-]{0,99}/){4}[1-9]\d{0,8}", re.ASCII)
_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(?:/[\x21-\x7e]*)?")
#: Longest part of a hub id.
_HUB_ID_CHARS = 96


def has_unseen(text: str) -> bool:
    """Whether control, bidi or other unseen characters are in a text."""
    return any(unicodedata.category(character) in UNSEEN for character in text)


def name_problem(name: str) -> str | None:
    """Why the name of a file, relative to its folder, is refused; None if it stays within.

    Args:
        name: as a file gives it, with ``/`` between its parts.
    """
    if has_unseen(name):
        return _UNSEEN_REASON
    if name.startswith("/") or "\\" in name or re.match(r"[A-Za-z]:", name):
        return "is not relative to the folder"
    parts = name.split("/")
    if parts[0] == ".":  # some exporters write ./weights
        parts = parts[1:]
    if not parts or any(part in ("", ".", "..") for part in parts):
        return "leads out of the folder"
    return None


def path_problem(path: str) -> str | None:
    """As :func:`name_problem`, for a path that a person writes: ``.`` and ``models/`` are one."""
    trimmed = path.removesuffix("/") if path != "/" else path
    return None if trimmed == "." else name_problem(trimmed)


def file_problem(folder: Path, name: str) -> str | None:
    """Why a file must not be opened, by what is there; None for a file of the folder's own.

    Args:
        folder: that the file belongs to.
        name: one that :func:`name_problem` accepts.
    """
    if (reason := link_problem(folder, name)) is not None:
        return reason
    if (folder / name).lstat().st_nlink > 1:
        return "is a hard link, the same file as one elsewhere: put a copy there"
    return None


def link_problem(folder: Path, name: str) -> str | None:
    """As :func:`file_problem`, but hard links are accepted.

    Package managers make them of every file that they install: uv and conda link from their
    caches, and the test data of an installed ``onnx`` has two names for each file.
    """
    place = folder
    try:
        for part in Path(name).parts:
            place /= part
            found = place.lstat()
            if stat.S_ISLNK(found.st_mode):
                return "is a symbolic link: put the file itself there"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if stat.S_ISREG(found.st_mode) else "is no regular file"


def strange_file(folder: Path, *, hard_links: bool = False) -> tuple[Path, str] | None:
    """The first link, pipe, device or socket below a folder, and what is wrong with it.

    Args:
        folder: that is looked through; nothing in it is opened, and no link is followed.
        hard_links: accept them.
    """
    problem = link_problem if hard_links else file_problem
    for file in sorted(folder.rglob("*")):
        if file.is_dir() and not file.is_symlink():
            continue
        if (reason := problem(folder, file.relative_to(folder).as_posix())) is not None:
            return file, reason
    return None


def stray(folder: Path, path: str) -> str | None:
    """Why what a zoo names must not be read; None where all of it lies in the zoo's folder.

    Symbolic links are followed as a reader would follow them, below a named folder too; the
    place where each of them ends has to be in ``folder``. What is not there is no problem here.

    Args:
        folder: of the zoo file.
        path: of a file or folder.
    """
    if (reason := path_problem(path)) is not None:
        return reason
    home = folder.resolve()
    waiting, seen = [home / path], set[Path]()
    while waiting:
        place = waiting.pop()
        try:
            real = place.resolve(strict=True)
            found = real.lstat()
            children = _children(real) if stat.S_ISDIR(found.st_mode) else []
        except (FileNotFoundError, NotADirectoryError):
            continue  # whoever wants to read it says so
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
            return f"cannot be read at {_shown(place, home)}: {_first_line(error)}"
        if not real.is_relative_to(home):
            return f"leads out of the folder by a symbolic link, {_shown(place, home)}"
        if real in seen:
            continue
        seen.add(real)
        waiting += children
        if stat.S_ISDIR(found.st_mode):
            continue
        if not stat.S_ISREG(found.st_mode):
            return f"is no regular file at {_shown(place, home)}: nothing is read from pipes"
        if found.st_nlink > 1:
            return (
                f"has a hard link, {_shown(place, home)}, the same file as one elsewhere: "
                "put a copy there"
            )
    return None


def check_path(value: str) -> str:
    """Accept a path that stays in the zoo file's folder.

    Raises:
        ValueError: when it does not, or holds characters that are not seen.
    """
    if (reason := path_problem(value)) is not None:
        raise ValueError(
            f"{value!r} {reason}: paths are relative to the zoo file and stay in its folder; "
            "for files elsewhere, put a zoo file beside them and include it"
        )
    return value


def check_hub_id(value: str) -> str:
    """Accept the id of a hub model: ``org/name`` or ``name``.

    Raises:
        ValueError: when it is no such id.
    """
    parts = value.split("/")
    if not _HUB_ID.fullmatch(value) or any(len(p) > _HUB_ID_CHARS or ".." in p for p in parts):
        raise ValueError(
            f"{value!r} is not a hub id such as 'org/name': letters, digits, '.', '-' and '_', "
            "a letter, digit or '_' first"
        )
    return value


def check_github_id(value: str) -> str:
    """Accept the name of a repository of GitHub: ``owner/name``.

    Raises:
        ValueError: when it is no such name.
    """
    name = value.rpartition("/")[2]
    if not _GITHUB_ID.fullmatch(value) or name.startswith("-") or name in {".", ".."}:
        hint = "; give what follows ':' as 'revision'" if ":" in value else ""
        raise ValueError(
            f"{value!r} is neither a GitHub repository such as 'owner/name' nor a folder such as "
            f"'./models/net'{hint}"
        )
    return value


def check_kaggle_handle(value: str) -> str:
    """Accept a model of Kaggle in one version: ``owner/model/framework/variation/version``.

    Raises:
        ValueError: when it is no such handle, or names no version.
    """
    if not _KAGGLE_HANDLE.fullmatch(value) or ".." in value:
        raise ValueError(
            f"{value!r} is not a Kaggle handle such as 'google/nnlm/tensorFlow2/en-dim50/1', whose "
            "last part is the version"
        )
    return value


def check_url(value: str) -> str:
    """Accept an address of the web that holds no login.

    Raises:
        ValueError: when it is none.
    """
    if not _URL.fullmatch(value):
        raise ValueError(f"{value!r} is not an address such as 'https://example.org/model.tar.gz'")
    return value


def check_revision(value: str) -> str:
    """Accept the name of a branch or tag, or a commit hash, as Git allows it.

    Raises:
        ValueError: when Git would not take it, or an option is what it looks like.
    """
    parts = value.split("/")
    odd = has_unseen(value) or bool(set(value) & set(" ~^:?*[\\")) or "@{" in value
    if odd or value.startswith("-") or any(p[:1] in ("", ".") or ".." in p for p in parts):
        raise ValueError(f"{value!r} is not the name of a branch, a tag or a commit")
    return value


def _children(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.name != _GIT)


def _shown(place: Path, home: Path) -> str:
    return repr(place.relative_to(home).as_posix())


def _first_line(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).partition("\n")[0]
