"""`python -m benchmark …` without the seconds in which Python imports torch.

One process imports what commands and cells need. A shell that finds its `python` first on the PATH lets it fork for
each `python -m benchmark`: the same code, folder, environment, output and exit status, but for the start of an
interpreter. Whatever else is asked of `python` is the real one's.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection, forkserver, resource_tracker
from pathlib import Path

CLIENT = """\
#!{python} -IS
import json, os, socket, sys
if sys.argv[1:3] != ["-m", "benchmark"]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
asked = json.dumps([sys.argv[3:], os.getcwd(), dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(asked)
    sys.exit(int(server.recv(16) or b"1"))
"""


@contextmanager
def warm_python(environment: dict[str, str]) -> Iterator[Path]:
    """The folder of a `python` that answers `-m benchmark` from a process that is warm already."""
    # A short path: that of a socket is cut off at some hundred bytes.
    with tempfile.TemporaryDirectory(prefix="warm-", dir="/tmp") as folder:
        address = f"{folder}/socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen()
            client = Path(folder, "python")
            client.write_text(CLIENT.format(python=sys.executable, address=address))
            client.chmod(0o755)
            command = [sys.executable, __file__, str(listener.fileno())]
            server = subprocess.Popen(command, env=environment, pass_fds=[listener.fileno()])
        # Held by the server alone, so that who asks one that has died is refused and does not wait.
        try:
            yield Path(folder)
        finally:
            server.terminate()
            server.wait()


class ForkedServer(forkserver.ForkServer):
    """A server of cells that is forked from the command, which has its imports, and not started anew."""

    def ensure_running(self) -> None:
        with self._lock:
            resource_tracker.ensure_running()
            if self._forkserver_pid is not None:
                return
            self._forkserver_address = connection.arbitrary_address("AF_UNIX")
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(self._forkserver_address)
                listener.listen()
                alive, self._forkserver_alive_fd = os.pipe()
                pid = os.fork()
                if pid == 0:
                    # A cell may start processes of its own, and this lock is held here.
                    self._lock = threading.Lock()
                    os.close(self._forkserver_alive_fd)
                    forkserver.main(listener.detach(), alive, preload=[])
                    os._exit(0)
                self._forkserver_pid = pid
            os.close(alive)


def _answer(client: socket.socket) -> int:
    """Run what a client asks, as its process would -> exit status."""
    size, files, _, _ = socket.recv_fds(client, 4, 3)
    asked = b""
    while len(asked) < int.from_bytes(size, "big"):
        asked += client.recv(1 << 16)
    words, folder, environment = json.loads(asked)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    command = sys.modules["benchmark.__main__"]
    # Processes of cells import the main module again, by its name.
    sys.modules["__main__"], sys.argv = command, [str(command.__file__), *words]
    sys.path.append(folder)
    server = forkserver._forkserver  # type: ignore[attr-defined]
    server.__class__ = ForkedServer
    forkserver.ensure_running = server.ensure_running  # type: ignore[assignment]
    return int(command.main())


def serve(listener: socket.socket) -> None:
    """Import everything, then fork for each client, one after the other."""
    import benchmark.__main__
    import benchmark.launch.child
    import benchmark.launch.preload  # noqa: F401

    while True:
        client, _ = listener.accept()
        child = os.fork()
        if child == 0:
            listener.close()
            sys.exit(_answer(client))
        _, status = os.waitpid(child, 0)
        client.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        client.close()


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    serve(socket.socket(fileno=int(sys.argv[1])))
