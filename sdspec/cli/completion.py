"""`sdspec completion`: the script that switches completion on in a shell, and the answer when the shell then asks."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from argcomplete.finders import CompletionFinder
from argcomplete.lexers import split_line
from argcomplete.shell_integration import shellcode

from sdspec.cli.candidates import candidates


def main(args: argparse.Namespace) -> int:
    """The shell's script on stdout."""
    print(shellcode(["sdspec"], shell=args.shell).strip())
    return 0


def complete(parser: argparse.ArgumentParser) -> None:
    """The shell has the words that may stand at its cursor, and this process is over."""
    _Finder()(parser, always_complete_options=False)


class _Finder(CompletionFinder):
    """Argcomplete speaks with the shells; what fits where is ours to say, since flags may stand between words."""

    def collect_completions(
        self, active_parsers: list[argparse.ArgumentParser], parsed_args: argparse.Namespace, cword_prefix: str
    ) -> list[str]:
        """The candidates that begin as typed."""
        typed = split_line(os.environ["COMP_LINE"], int(os.environ["COMP_POINT"]))[3]
        if len(active_parsers) == 1 and len(typed) > 1:  # behind a verb that there is not
            return []
        words = typed[2:]
        found = candidates(active_parsers[-1], words, cword_prefix, Path.cwd()) if len(typed) > 1 else None
        if found is None:
            return super().collect_completions(active_parsers, parsed_args, cword_prefix)
        fitting = {word: about for word, about in found.items() if word.startswith(cword_prefix)}
        self.get_display_completions().update(fitting)
        return list(fitting)
