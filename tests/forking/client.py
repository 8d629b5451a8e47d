"""What a program of the folder does: has the server fork the process, passes signals on, ends as that does."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from typing import NoReturn


def ask(address: str, python: str, program: str) -> NoReturn:
    """Be the program of that name.

    Args:
        address: of the server's socket.
        python: the real interpreter.
        program: the real path of the program; that of the interpreter for Python itself.
    """
    arguments = sys.argv[1:]
    if program.rpartition("/")[2].startswith("python"):
        plain = arguments and (arguments[0] in ("-c", "-m") or not arguments[0].startswith("-"))
        if not plain and arguments[:2] != ["-P", "-m"]:
            os.execv(python, [python, *arguments])  # options, or a program on stdin: let the interpreter see to that
    else:
        arguments = [program, *arguments]
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(address)
        executable = os.path.join(os.path.dirname(sys.argv[0]), "python")
        message = json.dumps([executable, arguments, os.getcwd(), dict(os.environ)])
        socket.send_fds(connection, [message.encode()], [0, 1, 2])
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, lambda number, _: connection.send(bytes([number])))
        status = int(connection.recv(8) or 1)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if status != -signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    os._exit(status)
