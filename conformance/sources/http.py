"""One file over HTTP: it goes on where a connection broke, and is held against its digest."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from conformance.errors import InfraError, LoadError
from conformance.redaction import hide_secrets

_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 20
#: Connections that may break without anything having arrived.
_FRUITLESS = 3
_GOOGLE_MD5 = re.compile(r"(?:^|,)\s*md5=([A-Za-z0-9+/]{22}==)")


@dataclass(slots=True)
class _Told:
    """What the server says of the file as a whole."""

    #: A validator for ``If-Range``: strong ETag, else the date of the last change.
    validator: str | None = None
    #: MD5 of the file, base64, as Google's storage gives it.
    md5: str | None = None
    size: int | None = None


def fetch_file(
    url: str, path: Path, *, sha256: str | None = None, headers: Mapping[str, str] | None = None
) -> str:
    """Download a file, in as many pieces as connections break.

    Args:
        url: http or https.
        path: is written; what it holds is taken for the beginning of the file, if the digest
            that the whole must have is known.
        sha256: of the whole file, in hexadecimal.
        headers: for this host only; a redirect to another does not get them.

    Returns:
        SHA-256 of what arrived, in hexadecimal.

    Raises:
        LoadError: when the server has no such file or does not show it, or when the file is
            another than ``sha256``, which a new download would not change.
        InfraError: when the server cannot be reached, or what arrived is damaged.
    """
    if sha256 is None:
        path.unlink(missing_ok=True)
    elif path.exists() and _digest(path) == sha256:
        return sha256
    goes_on = path.exists()
    told = _Told()
    fruitless = 0
    while True:
        begun = _size(path)
        try:
            with _open(url, begun, told, headers or {}) as response:
                _receive(response, path, begun, told)
            if told.size is None or _size(path) >= told.size:
                break
            broken: Exception | None = None
        except HTTPError as error:
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and begun:
                path.unlink()  # there is no rest: it is another file than the one begun
                broken = error
            else:
                raise _refused(error, url) from error
        except (OSError, HTTPException) as error:
            broken = error
        fruitless = 0 if _size(path) > begun else fruitless + 1
        if fruitless == _FRUITLESS:
            why = f"{type(broken).__name__}: {broken}" if broken else "the connection ends early"
            raise InfraError(hide_secrets(f"'{url}' cannot be fetched: {why}")) from broken
    found = _digest(path)
    if goes_on and found != sha256:
        # what was there may have been the beginning of something else
        path.unlink()
        return fetch_file(url, path, sha256=sha256, headers=headers)
    _check(path, url, found, sha256, told)
    return found


def _open(url: str, begun: int, told: _Told, headers: Mapping[str, str]) -> HTTPResponse:
    request = Request(url)  # noqa: S310 - check_url accepts http and https only
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    if begun:
        request.add_header("Range", f"bytes={begun}-")
        if told.validator is not None:
            request.add_header("If-Range", told.validator)
    response: HTTPResponse = urlopen(request, timeout=_TIMEOUT_S)  # noqa: S310 - as above
    return response


def _receive(response: HTTPResponse, path: Path, begun: int, told: _Told) -> None:
    part = response.status == HTTPStatus.PARTIAL_CONTENT
    if part and not (response.headers.get("Content-Range") or "").startswith(f"bytes {begun}-"):
        raise HTTPException("the server sent another part than was asked for")
    _learn(response.headers, told, part=part)
    with path.open("ab" if part else "wb") as file:
        while chunk := response.read1(_CHUNK_BYTES):
            file.write(chunk)


def _learn(headers: HTTPMessage, told: _Told, *, part: bool) -> None:
    if part:
        size = (headers.get("Content-Range") or "").rpartition("/")[2]
    else:
        size = headers.get("Content-Length") or ""
    told.size = int(size) if size.isdecimal() else None
    etag = headers.get("ETag")
    weak = etag is None or etag.startswith("W/")
    told.validator = headers.get("Last-Modified") if weak else etag
    if found := _GOOGLE_MD5.search(",".join(headers.get_all("x-goog-hash", []))):
        told.md5 = found[1]


def _check(path: Path, url: str, found: str, sha256: str | None, told: _Told) -> None:
    where = hide_secrets(url)
    if told.md5 not in (None, base64.b64encode(bytes.fromhex(_digest(path, "md5"))).decode()):
        path.unlink()
        raise InfraError(f"'{where}' arrived damaged: run again")
    if sha256 not in (None, found):
        path.unlink()
        raise LoadError(
            f"'{where}' is not the file that was named: its SHA-256 is {found}, not {sha256}; look "
            "at what changed there before you change 'sha256'"
        )


def _digest(path: Path, algorithm: str = "sha256") -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def _refused(error: HTTPError, url: str) -> InfraError | LoadError:
    text = hide_secrets(f"the server answered {error.code} for '{url}'")
    busy = error.code in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)
    if busy or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return InfraError(f"{text}: try again later, or run offline")
    return LoadError(f"{text}: check the address, and the credentials if it needs any")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
