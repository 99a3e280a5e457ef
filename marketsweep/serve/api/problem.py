"""An answer other than a result."""

from __future__ import annotations


class Problem(Exception):
    """An answer other than a result: its HTTP status, a code for programs and a text for people."""

    def __init__(
        self, status: int, code: str, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}
