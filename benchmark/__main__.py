"""`python -m benchmark`: reads the command line and hands over to a verb."""

from __future__ import annotations

import errno
import gc
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

from benchmark.cli.parser import build_parser
from benchmark.runtime.name_clash import a_namesake_is_installed, explain_clash
from registry.errors import UserError
from registry.text import printable, shortened

USERS_MISTAKE = 2
INTERRUPTED = 130
PATIENCE = 15.0
"""Seconds that a terminated command has to end."""
GRACE = PATIENCE / 2
"""Of them, those in which its processes may finish what they are at."""
_over = threading.Event()
"""Set while no command runs in this process."""
MOST_SHOWN = 4000
"""Characters of one line on what is wrong."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 where a cell failed, 2 for a user's mistake."""
    words = sys.argv[1:] if arguments is None else arguments
    if a_namesake_is_installed() and (clash := explain_clash()):
        return _refuse(clash)
    before = _end_when_terminated()
    try:
        parser = build_parser(words)
        parsed = parser.parse_args(words)
        if parsed.act is None:
            parser.print_help()
            return 0
        status = int(parsed.act(parsed))
        sys.stdout.flush()
        return status
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
        # Whoever read our output, `head` for example, has seen enough.
        _flush_nothing_more()
        return 0
    except OSError as error:
        if error.filename is not None or error.errno != errno.ENOSPC:
            raise
        _flush_nothing_more()
        return _refuse(f"cannot write what the command prints: {error.strerror}; make room where its output goes.")
    finally:
        _over.set()
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _end_when_terminated() -> Any:
    """SIGTERM ends a command as Ctrl-C does, its processes with it -> what it did before; None where it is left."""
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return None

    def interrupt(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=_end_children, daemon=True).start()
        raise KeyboardInterrupt

    _over.clear()
    return signal.signal(signal.SIGTERM, interrupt)


def _end_children() -> None:
    """Those that the command itself does not end: one that was only just starting would be waited for without end.

    Not at once: of a process that dies while it hands over a result, a pool waits for the rest for ever.

    A command that waits for something else ends without what it would still have done: whoever terminates it kills it
    soon, and records are whole at any moment.
    """
    until = time.monotonic() + PATIENCE
    if _over.wait(GRACE):
        return
    while not _over.wait(0.2):
        # Without this module there are none.
        if processes := sys.modules.get("multiprocessing"):
            for child in processes.active_children():
                child.terminate()
        if time.monotonic() > until:
            print("interrupted.", file=sys.stderr, flush=True)
            os._exit(INTERRUPTED)


def _flush_nothing_more() -> None:
    """Into a pipe or file that takes no more; Python flushes once again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write_what_the_terminal_can() -> None:
    """Characters that the encoding of a terminal lacks become question marks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _refuse(line: str) -> int:
    print(f"error: {shortened(printable(' '.join(line.split())), MOST_SHOWN)}", file=sys.stderr)
    return USERS_MISTAKE


if __name__ == "__main__":
    # Imports make objects and no garbage; to look for some all the time took a sixth of a command's start.
    gc.set_threshold(100_000)
    _write_what_the_terminal_can()
    sys.exit(main())
