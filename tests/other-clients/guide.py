"""Runs a guide as its reader would: its files are written, its commands run one after another in one shell, and each output that the
guide shows is compared. usage: guide.py GUIDE"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"(?:#|//) ([\w.]+)\n")


def main(guide: str) -> int:
    commands, expected = [], {}
    # No state of the caller's, no proxy between a client and this machine.
    folder = pathlib.Path(tempfile.mkdtemp())
    for kind, text in BLOCK.findall(pathlib.Path(guide).read_text()):
        name = NAME.match(text)
        if kind == "sh":
            commands.append(text)
        elif kind == "text":
            expected[len(commands) - 1] = text
        elif name:
            (folder / name[1]).write_text(text)
    steps = "".join(f"{{\n{text}}} >{folder}/{number}.out\n" for number, text in enumerate(commands))
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    shell = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", steps], cwd=folder, env=environment, start_new_session=True
    )
    try:
        code = shell.wait(timeout=600)
    finally:
        # The sandbox that the guide started, too.
        os.killpg(shell.pid, signal.SIGTERM)
    faults = [f"the commands ended with {code}"] if code else []
    for number, text in expected.items():
        output = folder / f"{number}.out"
        found = output.read_text() if output.exists() else None
        if found != text:
            faults.append(f"{commands[number]}printed {found!r} and not {text!r}")
    if faults or not expected:
        print("\n".join(faults or ["the guide shows no output"]), file=sys.stderr)
        return 1
    print(f"{guide}: {len(commands)} blocks of commands, {len(expected)} outputs as shown")
    return 0


sys.exit(main(sys.argv[1]))
