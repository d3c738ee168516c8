"""What senoscore raises. Every class is the user's to mend; anything else is a bug of ours.

The command line turns a :class:`SenoscoreError` into one line on stderr and exit code 2.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "DesignError",
    "InputError",
    "MethodError",
    "MissingExtraError",
    "SenoscoreError",
    "SheetError",
    "SignatureError",
]


class SenoscoreError(Exception):
    """Base of all errors a user can mend.

    Parameters
    ----------
    message
        What is wrong and where (file, row, gene, sample), and what was expected.
    fix
        How to mend it, as an instruction. Shown after the message.
    """

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message if fix is None else f"{message} — {fix}")
        self.message = message
        self.fix = fix


class InputError(SenoscoreError):
    """A matrix or data file cannot be used as it is."""


class SheetError(SenoscoreError):
    """datasets.tsv or samples.tsv is wrong."""


class ConfigError(SenoscoreError):
    """config.yaml is wrong."""


class SignatureError(SenoscoreError):
    """A signature or panel file is wrong."""


class MethodError(SenoscoreError):
    """A scoring method is unknown or does not fit the input."""


class MissingExtraError(SenoscoreError, ImportError):
    """A library is not installed that only this use needs; ``fix`` names the extra to install."""

    def __init__(self, message: str, *, fix: str | None = None, name: str | None = None) -> None:
        super().__init__(message, fix=fix)
        self.name = name


class DesignError(SenoscoreError):
    """The study design cannot answer the question asked."""
