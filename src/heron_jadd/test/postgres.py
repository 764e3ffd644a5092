"""A PostgreSQL server for tests: made, started and stopped by them, of Debian's package."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

INSTALL = "sudo apt-get install --no-install-recommends postgresql"
ENGLISH = ("--locale-provider=icu", "--icu-locale=en-US")  # orders text otherwise than SQLite, unless a column says how
NOBODY = "nobody"  # the server refuses to run as root
PASSWORD = "of-the-tests"


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        url: of its database, through a socket that only whoever may enter its folder can reach; no password.
        network_url: through the network, with password.
    """

    url: str
    network_url: str


@contextlib.contextmanager
def server():
    """A server with nothing in it, in a folder of its own; skips where the package is missing."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip(f"PostgreSQL is not installed; cure: {INSTALL}")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # the path of a socket is at most 107 characters
    who = {"user": NOBODY, "group": pwd.getpwnam(NOBODY).pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(program, *arguments):
        command = [found[-1].with_name(program), *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, timeout=60, **who)

    try:
        (folder / "password").write_text(PASSWORD)
        if who:
            shutil.chown(folder, NOBODY, who["group"])
            shutil.chown(folder / "password", NOBODY, who["group"])
        access = ("--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={folder / 'password'}")
        run("initdb", "-D", folder / "data", "-U", "tests", "--no-sync", "--locale=C.UTF-8", *ENGLISH, *access)
        settings = f"-k {folder} -p {port} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=20 -c shared_buffers=8MB"
        run("pg_ctl", "start", "-w", "-D", folder / "data", "-l", folder / "log", "-o", settings)
        try:
            yield Server(f"postgresql://tests@/postgres?host={folder}&port={port}", f"postgresql://tests@127.0.0.1:{port}/postgres")
        finally:
            run("pg_ctl", "stop", "-m", "immediate", "-D", folder / "data")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
