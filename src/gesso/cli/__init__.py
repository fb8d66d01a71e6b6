"""The command line: parse the words, run a verb, return an exit code; a user's mistake is one line, never a traceback."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Sequence

from cyclopts import CycloptsError, UnusedCliTokensError

from gesso.cli import flag, show, verb
from gesso.cli.by_recipe import BY_RECIPE
from gesso.errors import GessoError

BAD_INPUT, BUG, STOPPED = 2, 1, 130
HELP = {"--help", "-h"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code is 0, 2 for bad input, 3 for a replay that differs, 130 for Ctrl-C, 1 for a bug."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    tokens = typed_tokens(list(sys.argv[1:] if argv is None else argv))
    try:
        if len(tokens) > 1 and tokens[0] in BY_RECIPE and tokens[1] not in HELP:
            name = flag.recipe_first(tokens[0], tokens[1])
            app, rest = flag.app_of_recipe(tokens[0], name, BY_RECIPE[tokens[0]], tokens[2:]), tokens[2:]
        else:
            app, rest = verb.app, tokens
        code = app(rest, exit_on_error=False, print_error=False)
        return code if isinstance(code, int) else 0
    except UnusedCliTokensError as error:
        more, command = " ".join(error.unused_tokens or []), " ".join(tokens[: 2 if tokens[0] in BY_RECIPE else 1])
        return show.say(f"unexpected argument: {more} (gesso {command} --help lists what is expected)", BAD_INPUT)
    except (GessoError, CycloptsError) as error:
        return show.say(str(error), BAD_INPUT)
    except KeyboardInterrupt as error:
        return show.say(str(error) or "stopped", STOPPED)
    except BrokenPipeError:  # gesso recipes | head -1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("GESSO_DEBUG"):
            raise
        if isinstance(error, MemoryError) or "not enough memory" in str(error):
            return show.say("there is not enough memory for this; give a smaller input, or close other programs", BAD_INPUT)
        return show.say(f"{type(error).__name__}: {error} (this is a bug in Gesso; GESSO_DEBUG=1 shows where)", BUG)


def typed_tokens(tokens: list[str]) -> list[str]:
    """The words typed, normalised: `--hints -5,3,#f80` has a value, and `--num_steps` is `--num-steps`."""
    read: list[str] = []
    for token in tokens:
        if read and re.match(r"-[\d.]", token) and re.fullmatch(r"--[a-z][a-z0-9-]*", read[-1]):
            read[-1] += "=" + token  # a value that begins with a minus, not a flag
        elif match := re.match(r"--[a-z][a-z0-9_-]*", token):
            read.append(match[0].replace("_", "-") + token[match.end() :])
        else:
            read.append(token)
    return read
