"""What a caller hands over: the word of the controls, and the table that a function works on."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import pandas as pd

from senoscore import names as k
from senoscore.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


__all__ = ["control_of", "control_word", "refuse_unknown_control", "takes"]

P = ParamSpec("P")
R = TypeVar("R")


def control_of(control: str | Mapping[str, str] | None) -> dict[str, str]:
    """Column and value of the controls; a word alone is a value of ``treatment``.

    Raises
    ------
    ConfigError
        Neither a word nor column and value.
    """
    if control is None:
        return {k.TREATMENT: k.CONTROL}
    if isinstance(control, str):
        return {k.TREATMENT: control}
    if isinstance(control, Mapping) and control:
        return {str(column): str(value) for column, value in control.items()}
    msg = f"control is {control!r}, expected the word of the controls, or column and value"
    raise ConfigError(msg, fix='for example control="sham" or control={"treatment": "sham"}')


def control_word(control: str | Mapping[str, str] | None) -> str:
    """The treatment of the controls, for tables whose samples are told apart by ``treatment``.

    Raises
    ------
    ConfigError
        Controls are named by another column.
    """
    named = control_of(control)
    if list(named) != [k.TREATMENT]:
        msg = f"control is {control!r}: samples are compared by their column {k.TREATMENT!r}"
        fix = f'put these groups into {k.TREATMENT!r} and give their word, such as control="sham"'
        raise ConfigError(msg, fix=fix)
    return named[k.TREATMENT]


def refuse_unknown_control(
    there: Iterable[str], column: str, value: str, *, of: str = "cell"
) -> str:
    """Refuse a control value that nothing has, unless there may well be no controls.

    Without controls, cells are compared with matched gene sets and samples with nothing; that
    must not be the silent result of a word that is spelt in another way.

    Parameters
    ----------
    there
        Values of the column.
    column, value
        What names the controls.
    of
        What a row is, for the message.

    Returns
    -------
    What is missing and what is there, in words; empty where some row has the value.

    Raises
    ------
    InputError
        Nothing has the value, and it was asked for by name or another is likely.
    """
    words = sorted(set(there))
    if value in words:
        return ""
    folded = {name: re.sub(r"[^0-9a-z]", "", name.casefold()) for name in words}
    wanted = re.sub(r"[^0-9a-z]", "", value.casefold())
    likely = [name for name in words if folded[name] == wanted]
    likely += [name for name in words if k.means_control(name)]
    likely += difflib.get_close_matches(value, words, n=1, cutoff=0.75)
    listed = ", ".join(map(repr, words[:8])) + (" ..." if len(words) > 8 else "")
    msg = f"no {of} has {column} {value!r}, which names the controls"
    if likely:
        written = repr(likely[0]) if column == k.TREATMENT else f"{{{column!r}: {likely[0]!r}}}"
        raise InputError(msg, fix=f"did you mean control={written}? values there: {listed}")
    if (column, value) != (k.TREATMENT, k.CONTROL):
        raise InputError(msg, fix=f"values there: {listed}")
    return f"{msg} (values there: {listed})"


def takes(
    *, check_control: bool = True, needs: Sequence[str] = (), **made_by: str
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function have the tables it works on, and one meaning of ``control``.

    Anything but a table is answered with the call that makes one: an AnnData has cells where
    these functions want samples, and would end in an AttributeError far from its cause. A
    ``control`` of any form that :func:`senoscore.calibrate` takes arrives as its word. A column
    that a table lacks is named, with the call that makes the table.

    Parameters
    ----------
    check_control
        Refuse a control that no row of the first table has. Off for figures, which may show a
        part of a study.
    needs
        Columns of the first table that are read row by row, where pandas names none that lacks.
    made_by
        For each parameter that is a table, how one is made.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            given: dict[str, Any] = signature.bind_partial(*args, **kwargs).arguments
            missing = [
                name
                for name, parameter in signature.parameters.items()
                if name in made_by and parameter.default is parameter.empty and name not in given
            ]
            if missing:
                name = missing[0]
                msg = f"{function.__name__}: no table {name!r} is given"
                raise InputError(msg, fix=f"make it with {made_by[name]}")
            for name, maker in made_by.items():
                value = given.get(name)
                if value is None or isinstance(value, pd.DataFrame):
                    continue
                kind = type(value).__name__
                msg = f"{function.__name__} takes a table as {name!r}, not an object of type {kind}"
                raise InputError(msg, fix=f"make it with {maker}")
            first = next(iter(made_by))
            if given.get(first) is not None:
                _refuse_lacking(function.__name__, given[first], needs, first, made_by[first])
            if "control" in kwargs:
                kwargs["control"] = word = control_word(kwargs["control"])  # type: ignore[arg-type]
                table = given.get(first)
                if check_control and table is not None and k.TREATMENT in table and len(table):
                    values = table[k.TREATMENT].dropna().astype(str).unique()
                    refuse_unknown_control(values, k.TREATMENT, word, of="sample")
            try:
                return function(*args, **kwargs)
            except KeyError as error:
                tables = {name: given[name] for name in made_by if given.get(name) is not None}
                lacking = _column_lacking(error, tables)
                if not lacking:
                    raise
                column, where = lacking
                which = f"the table {where[0]!r} has" if len(where) == 1 else "no table given has"
                which += " no" if len(where) == 1 else " a"
                msg = f"{function.__name__}: {which} column {column!r}"
                fix = ", ".join(f"{name} with {made_by[name]}" for name in where)
                raise InputError(msg, fix=f"make {fix}") from error

        return checked

    return wrap


def _refuse_lacking(
    verb: str, table: pd.DataFrame, needs: Sequence[str], name: str, maker: str
) -> None:
    lacking = next((column for column in needs if column not in table), None)
    if lacking is not None:
        msg = f"{verb}: the table {name!r} has no column {lacking!r}"
        raise InputError(msg, fix=f"make {name} with {maker}")


def _column_lacking(
    error: KeyError, tables: Mapping[str, pd.DataFrame]
) -> tuple[str, list[str]] | None:
    """Which column was looked for in vain, and which of the tables given lack it.

    None where pandas did not raise the error, or every table has the column: then it is a bug of
    ours, and must not read like a fault of the input.
    """
    *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
    if not str(innermost.f_globals.get("__name__", "")).startswith("pandas."):
        return None
    looked_for = error.args[0] if error.args else ""
    # A single name, or a list of those that are "not in index".
    plain = str(looked_for).removeprefix("Column not found: ")
    names = re.findall(r"'([^']+)'", plain) or [plain]
    for name in names:
        where = [given for given, table in tables.items() if name not in table]
        if where:
            return name, where
    return None
