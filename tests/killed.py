"""A training that is killed as it saves its second epoch, whoever is faster: ``python -c KILLED train ...``."""

KILLED = """
import os, signal, sys
saves = 0
def hear(event, details):
    global saves
    if event == "os.rename" and str(details[1]).endswith("state.safetensors"):
        saves += 1
        if saves == 2:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hear)
from solid.cli import main
main(sys.argv[1:])
"""
