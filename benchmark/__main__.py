"""`python -m benchmark`: reads the command line and hands over to a verb."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

from benchmark.cli.parser import build_parser
from benchmark.runtime.name_clash import explain_clash
from registry.errors import UserError

USERS_MISTAKE = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 where a cell failed, 2 for a user's mistake."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        parser = build_parser(words)
        parsed = parser.parse_args(words)
        if parsed.act is None:
            parser.print_help()
            return 0
        return int(parsed.act(parsed))
    except UserError as error:
        return _refuse(str(error))
    except ImportError as error:
        if clash := explain_clash():
            return _refuse(f"{clash} ({error})")
        raise
    except KeyboardInterrupt:
        print("interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output, `head` for example, has seen enough; nothing more may be flushed into the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _refuse(line: str) -> int:
    print(f"error: {' '.join(line.split())}", file=sys.stderr)
    return USERS_MISTAKE


if __name__ == "__main__":
    # Imports make objects and no garbage; to look for some all the time took a sixth of a command's start.
    gc.set_threshold(100_000)
    sys.exit(main())
