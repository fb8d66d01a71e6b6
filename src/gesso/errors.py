"""What went wrong, where, and what would be right: the one error that people see."""

from __future__ import annotations


class GessoError(ValueError):
    """A mistake that the person at the keyboard can mend.

    `what` is wrong, `where` (a file, a flag, a field) it is, and `fix` says what would be right. The message
    joins the three; the command line prints it and ends with exit code 2, the server answers 4xx with it.
    """

    def __init__(self, what: str, *, where: object = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, None if where is None else str(where), fix
        message = what if where is None else f"{where}: {what}"
        super().__init__(message if fix is None else f"{message} ({fix})")


class MissingExtra(GessoError):
    """A feature whose library is not installed; the message carries the line that installs it."""

    def __init__(self, package: str, extra: str, *, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}", fix=f"pip install 'gesso[{extra}]'")
        self.package, self.extra = package, extra


class Stopped(Exception):
    """Work was given up on the way because somebody asked for that: no mistake, and nothing came of it."""
