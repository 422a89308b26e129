"""`sdspec` on a terminal of a given width."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

TOKEN = re.compile(r"\x1b\[([0-9;?]*)([a-zA-Z])|([\r\n])|[^\x1b\r\n]+")


def on_terminal(folder: Path, columns: int, *words: str) -> list[str]:
    """The lines that stand on a terminal so wide when `sdspec WORDS` has ended, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    command = [sys.executable, "-m", "sdspec", *words]
    with subprocess.Popen(command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=env):
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    return standing(shown.decode())


def standing(written: str) -> list[str]:
    """What stands on a terminal after this was written: lines that were erased or written over are gone."""
    lines, row, column = [""], 0, 0
    for token in TOKEN.finditer(written):
        number, code, control = token[1], token[2], token[3]
        if control == "\n":
            row, column = row + 1, 0
            lines.extend([""] * (row + 1 - len(lines)))
        elif control == "\r":
            column = 0
        elif code == "A":
            row = max(0, row - int(number or 1))
        elif code == "K":
            lines[row] = "" if number == "2" else lines[row][:column]
        elif not code:
            lines[row] = lines[row][:column].ljust(column) + token[0] + lines[row][column + len(token[0]) :]
            column += len(token[0])
    return lines if lines[-1] else lines[:-1]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so that the other end is closed
        return b""
