"""The process that hubs under test are forked from: it has imported all that a hub needs.

To import it takes half a second of processor time, which hundreds of hubs would spend one by one.
This process does it once, and forks for every hub that `tests.support.forking` asks it for, as
`multiprocessing.forkserver` of the standard library does. It has one thread, no event loop and no
database open, so that a child begins where `python run.py` is after its imports. It ends when the
tests are gone, and its children end with it.
"""

import ctypes
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FrameType

import msgspec

import run
from tests.support import errands, tracing
from tests.support.forking import Answer, Failed, Fork, Forked, Reaped, Request

USED_LATER = (
    "asyncio.subprocess", "encodings.idna", "uvicorn.lifespan.on", "uvicorn.logging",
    "uvicorn.protocols.http.httptools_impl",
)  # fmt: skip
"""What a hub imports only when it runs."""
_LARGEST = 1 << 17
"""Bytes of a request: the environment is most of it."""
_PR_SET_PDEATHSIG = 1
_SigintHandler = Callable[[int, FrameType | None], object] | int | None


def main(connection: socket.socket) -> int:
    """Serve until the tests are gone; in a child, run the hub. The exit code of either."""
    for name in USED_LATER:
        import_module(name)
    tracing.tenant_tables()  # remembered from here on
    on_interrupt = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests and the hubs
    gc.collect()
    gc.freeze()  # so that no collection writes to what the children share
    order = _serve(connection)
    if order is None:
        return 0
    signal.signal(signal.SIGINT, on_interrupt)
    return _run_hub(order)


def _serve(connection: socket.socket) -> Fork | None:
    """Answer requests; in a child, what it is to run, and None once the tests are gone."""
    requests, own_pid = msgspec.msgpack.Decoder(Request), os.getpid()
    kernel = ctypes.CDLL(None)
    children: set[int] = set()
    while True:
        message, files, _, _ = socket.recv_fds(connection, _LARGEST, 2)
        if not message:
            _end(children)
            return None
        request = requests.decode(message)
        answer: Answer
        if isinstance(request, Fork):
            forked = _fork()
            if forked is None:
                # First of all: from here on it dies with its parent.
                kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != own_pid:
                    os._exit(1)
                connection.detach()
                _take_on(request, files)
                return request
            if isinstance(forked, Forked):
                children.add(forked.pid)
            for file in files:
                os.close(file)
            answer = forked
        else:
            answer = reaped = _reap(request.pid)
            if reaped.code is not None:
                children.discard(request.pid)
        connection.send(msgspec.msgpack.encode(answer))


def _fork() -> Forked | Failed | None:
    """None in the child."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:  # a child would find the locks of the others taken for ever
        return Failed(f"an import has started a thread: the fork server has {threads}")
    try:
        pid = os.fork()
    except OSError as error:
        return Failed(f"fork: {error.strerror}")
    return Forked(pid) if pid else None


def _take_on(order: Fork, files: list[int]) -> None:
    """Take on what `subprocess.Popen` would have given to a new process."""
    for target, file in enumerate(files, 1):
        os.dup2(file, target)
    os.closerange(3, 1 + max(map(int, os.listdir("/proc/self/fd"))))
    os.umask(order.umask)
    os.chdir(order.directory)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.argv = [run.__file__, *order.arguments]


def _run_hub(order: Fork) -> int:
    if order.statements is not None:
        tracing.watch(Path(order.statements))
    if errands.KNOWN_BY in os.environ:
        errands.register()
    return run.main(order.arguments)


def _reap(pid: int) -> Reaped:
    found, status = os.waitpid(pid, os.WNOHANG)
    return Reaped(os.waitstatus_to_exitcode(status) if found else None)


def _end(children: set[int]) -> None:
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    for pid in children:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    sys.exit(main(socket.socket(fileno=int(sys.argv[1]))))
