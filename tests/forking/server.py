"""Imports what takes long and forks for whoever connects, until its stdin is closed: ``python server.py SOCKET``."""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
import weakref
from contextlib import suppress
from typing import NoReturn

from callers import name_callers

_IMPORTED = [
    "boto3", "dvc.cli", "dvc.commands.repro", "dvc.repo", "jinja2", "kfp.kubernetes", "kfp.local", "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store", "pandas", "PIL.Image", "plotly.graph_objects", "pyarrow.parquet",
    "safetensors.torch", "scipy.sparse", "sklearn.cluster", "sklearn.feature_extraction.text", "torch._inductor.config",
]  # fmt: skip
_LARGEST = 1 << 18  # bytes of arguments and variables


def main(address: str) -> None:
    """Listen, import, serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the tests, and they end this
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(address)
        server.listen(64)
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        sys.path.pop(0)  # the folder of this file
        for name in _IMPORTED:
            importlib.import_module(name)
        name_callers(sys.modules["kfp.dsl.pipeline_task"])
        gc.freeze()  # what is imported stays shared: no fork's collector looks through it
        # What libraries do at the end is this process's to do; taking PyTorch apart would be half of a short program.
        atexit.unregister(sys.modules["torch._dynamo.utils"].dump_compile_times)
        for finalizer in weakref.finalize._registry:
            finalizer.atexit = False
        _serve(server)


def _serve(server: socket.socket) -> None:
    """Fork, pass signals on, tell how processes ended; kill those whose client is gone."""
    clients: dict[int, tuple[socket.socket, int]] = {}  # by descriptor of the process
    events = selectors.DefaultSelector()
    events.register(0, selectors.EVENT_READ)
    events.register(server, selectors.EVENT_READ)
    while True:
        for key, _ in events.select():
            if key.fd == 0:
                for _, process in clients.values():
                    os.kill(process, signal.SIGKILL)
                return
            if key.fileobj is server:
                client, _ = server.accept()
                message, streams, _, _ = socket.recv_fds(client, _LARGEST, 3)
                if (process := os.fork()) == 0:
                    events.close()
                    server.close()
                    client.close()
                    _run(*json.loads(message), streams)
                for stream in streams:
                    os.close(stream)
                ended = os.pidfd_open(process)
                clients[ended] = client, process
                events.register(ended, selectors.EVENT_READ)
                events.register(client, selectors.EVENT_READ, process)
            elif key.fd in clients:
                client, process = clients.pop(key.fd)
                _, status = os.waitpid(process, 0)
                with client, suppress(KeyError, BrokenPipeError):  # unless it went away itself
                    events.unregister(client)
                    client.send(str(os.waitstatus_to_exitcode(status)).encode())
                events.unregister(key.fd)
                os.close(key.fd)
            else:
                number = key.fileobj.recv(1)
                os.kill(key.data, number[0] if number else signal.SIGKILL)
                if not number:
                    events.unregister(key.fileobj)


def _run(
    executable: str, arguments: list[str], folder: str, environment: dict[str, str], streams: list[int]
) -> NoReturn:
    """Be ``python ARGUMENTS``."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.modules["numpy"].random.seed()  # as a new process has it
    sys.executable = executable
    sys.path[:0] = [os.path.abspath(path) for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    status = 0
    try:
        _execute(arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except KeyboardInterrupt:
        traceback.print_exc()
        status = -signal.SIGINT
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if status == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status)


def _execute(arguments: list[str]) -> None:
    what, *rest = arguments
    if what == "-P":  # of modules alone, see the client
        _, *rest = rest
    if what in ("-m", "-P"):
        sys.path[:0] = [os.getcwd()] if what == "-m" else []
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif what == "-c":
        sys.path.insert(0, "")
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(what)))
        sys.argv = arguments
        runpy.run_path(what, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])
