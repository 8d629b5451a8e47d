"""Commands for a shell as forks of a process that has imported everything, which takes seconds each.

    python forks.py SOCKET        serves until it is terminated
    solid ...                     a link to this file: has the server run it, here and with this environment

A command is a process of its own all the same: it has its arguments, folder, variables, input and output, and ends with
its exit status.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

IMPORTS = ["mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store", "sklearn.cluster", "solid.embeddings"]
IMPORTS += ["solid.evaluation.evaluate", "solid.features", "solid.registry.champion", "solid.registry.checks"]
IMPORTS += ["solid.registry.register", "solid.semantics.assign", "solid.training", "pipelines.cli", "kfp"]


def serve(address: str) -> None:
    """Fork for whoever connects."""
    import importlib

    for name in IMPORTS:
        importlib.import_module(name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(address)
        server.listen()
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _run(connection)
            connection.close()
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass


def _run(connection: socket.socket) -> None:
    """Be the process that the other end asked for, and tell it the exit status."""
    message, streams, _, _ = socket.recv_fds(connection, 1 << 18, 3)
    program, arguments, folder, environment = json.loads(message)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, folder)
    status = 1
    try:
        _call(program, arguments)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.send(bytes([status]))
        os._exit(status)


def _call(program: str, arguments: list[str]) -> None:
    import runpy

    sys.argv = [program, *arguments]
    if program == "solid":
        from solid.cli import main

        main(prog_name=program)
    elif program == "solid-pipeline":
        from pipelines.cli import main as pipeline

        pipeline(prog_name=program)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def ask(program: str) -> int:
    """Have the server run what this process was started as."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(os.environ["SOLID_TEST_FORKS"])
        message = json.dumps([program, sys.argv[1:], str(Path.cwd()), dict(os.environ)])
        socket.send_fds(connection, [message.encode()], [0, 1, 2])
        return connection.recv(1)[0]


if __name__ == "__main__":
    name = Path(sys.argv[0]).name
    if name == "forks.py":
        serve(sys.argv[1])
    else:
        sys.exit(ask(name))
