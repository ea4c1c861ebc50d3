"""The command line, `specdec`. Every file has the commands of one kind; all work is done by the rooms below."""

from .commands import main

__all__ = ["main"]
