"""Tokens of a data folder: who may ask the server, and for what.

Each token is a file of its own, `tokens/NAME.json`, which never changes: two processes may create
and remove tokens at the same time, and the server sees both at the next request. The file has the
SHA-256 of the secret. A slow hash is not needed, because a secret has 256 random bits.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from marketsweep.core.whole_files import disk_errors, read_small
from marketsweep.errors import StoreError, UsageError
from marketsweep.serve.scopes import MOST_PER_MINUTE, PER_MINUTE, SCOPES, Scope

_log: Final = logging.getLogger(__name__)

FOLDER: Final = "tokens"
VARIABLE: Final = "MARKETSWEEP_TOKEN"
"""Environment variable with a secret that allows everything, for places without a terminal."""

_LEAST_CHARACTERS: Final = 32
_PREFIX: Final = "ms_"
_BYTES: Final = 32
_SUFFIX: Final = ".json"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ENVIRONMENT: Final = "environment"


class Token(Struct, frozen=True):
    """What is known of a token; the secret is not."""

    name: str
    scope: Scope
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    created: dt.datetime
    per_minute: Annotated[int, Meta(ge=1, le=MOST_PER_MINUTE)] = PER_MINUTE

    def allows(self, scope: Scope) -> bool:
        """Return whether the token may do what needs a scope."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


def create_token(
    data: Path, scope: Scope, name: str | None = None, per_minute: int = PER_MINUTE
) -> tuple[Token, str]:
    """Create a token, and return it with its secret, which is stored nowhere.

    Raises UsageError for an invalid name or one that is in use, and StoreError.
    """
    if name is None:
        used = {token.name for token in read_tokens(data)}
        names = (scope, *(f"{scope}-{number}" for number in range(2, len(used) + 3)))
        name = next(free for free in names if free not in used)
    path = _path_of(data, name)
    if name == _ENVIRONMENT:
        raise UsageError(f"{name} is the name of the token in {VARIABLE}: choose another --name")
    secret = _PREFIX + secrets.token_urlsafe(_BYTES)
    token = Token(name, scope, _hash_of(secret), dt.datetime.now(dt.UTC), per_minute)
    temporary = path.with_name(f".{name}.{secrets.token_hex(8)}.tmp")
    with disk_errors(path.parent):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        owner = data.stat()
        if os.geteuid() == 0:  # the server may run as another user, who must read the token
            os.chown(path.parent, owner.st_uid, owner.st_gid)
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(token))
                file.flush()
                os.fsync(handle)
                if os.geteuid() == 0:
                    os.fchown(handle, owner.st_uid, owner.st_gid)
            try:
                path.hardlink_to(temporary)  # unlike a rename it never replaces a file
            except FileExistsError:
                raise UsageError(
                    f"there is a token {name} already: remove it, or choose another --name"
                ) from None
        finally:
            temporary.unlink(missing_ok=True)
    return token, secret


def remove_token(data: Path, name: str) -> None:
    """Remove a token: it is refused from the next request on. Raises UsageError if unknown."""
    path = _path_of(data, name)
    with disk_errors(path.parent):
        try:
            path.unlink()
        except FileNotFoundError:
            names = ", ".join(token.name for token in read_tokens(data)) or "none"
            raise UsageError(f"there is no token {name}; there are: {names}") from None


def read_tokens(data: Path) -> list[Token]:
    """Return the tokens of a data folder by name. Raises StoreError for a damaged file."""
    return sorted((_read(path) for path, _ in _files(data)), key=lambda token: token.name)


class Tokens:
    """The tokens of a data folder and the one of the environment, as a server needs them."""

    def __init__(self, data: Path, environment: Mapping[str, str] | None = None) -> None:
        """Read the tokens. Raises UsageError if the secret of the environment is too short."""
        self._data = data
        secret = (os.environ if environment is None else environment).get(VARIABLE, "").strip()
        if secret and (len(secret) < _LEAST_CHARACTERS or not secret.isascii()):
            raise UsageError(
                f"{VARIABLE} must have at least {_LEAST_CHARACTERS} characters of ASCII: `openssl "
                "rand -hex 32` makes one"
            )
        created = dt.datetime.now(dt.UTC)
        self._fixed = (
            [Token(_ENVIRONMENT, "admin", _hash_of(secret), created, MOST_PER_MINUTE)]
            if secret
            else []
        )
        self._files: list[tuple[Path, tuple[int, int]]] | None = None
        self._by_hash: dict[str, Token] = {}

    def __bool__(self) -> bool:
        return bool(self._current())

    def find(self, secret: str) -> Token | None:
        """Return the token of a secret. A file that cannot be read is skipped, and logged."""
        return self._current().get(_hash_of(secret))

    def _current(self) -> dict[str, Token]:
        try:
            files = _files(self._data)
        except OSError as error:
            _log.error("the tokens cannot be read: %s", error.strerror)
            files = []
        if files != self._files:
            read = list[Token]()
            for path, _ in files:
                try:
                    read.append(_read(path))
                except StoreError as error:  # the other tokens are valid
                    _log.error("%s", error)
            self._by_hash = {token.sha256: token for token in [*read, *self._fixed]}
            self._files = files
        return self._by_hash


def _files(data: Path) -> list[tuple[Path, tuple[int, int]]]:
    """Return the files of all tokens, each with what tells it from a later one of its name."""
    files = []
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(data / FOLDER) as entries:
        for entry in entries:
            if entry.name.endswith(_SUFFIX) and not entry.name.startswith("."):
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    files.append((Path(entry.path), (status.st_ino, status.st_mtime_ns)))
    return sorted(files)


def _read(path: Path) -> Token:
    try:
        return msgspec.json.decode(read_small(path, 10_000), type=Token)
    except (OSError, UsageError, msgspec.DecodeError):
        raise StoreError(
            f"the token {path.stem} cannot be read: run marketsweep token remove {path.stem}"
        ) from None


def _path_of(data: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a valid name for a token: use letters a to z, digits, - and _"
        )
    return data / FOLDER / f"{name}{_SUFFIX}"


def _hash_of(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
