"""A refusal is one line and exit status 1, not a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from rich.console import Console

from app.errors import FrontalisError

err = Console(stderr=True)


@contextmanager
def reasons() -> Iterator[None]:
    """Around whatever a command does."""
    try:
        yield
    except ValidationError as error:
        for one in error.errors(include_input=False):
            where = "FRONTALIS_" + "_".join(str(part) for part in one["loc"]).upper() if one["loc"] else "settings"
            err.print(f"[red]{where}[/red]: {one['msg'].removeprefix('Value error, ')}", soft_wrap=True)
        raise typer.Exit(1) from None
    except FrontalisError as error:
        err.print(f"[red]{error.code}[/red]: {error.detail}", soft_wrap=True)
        raise typer.Exit(1) from None
