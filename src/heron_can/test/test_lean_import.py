"""A process with a bus does without the log formats of python-can, and one that reads such a log has them."""

import subprocess
import sys
from pathlib import Path


def said(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_bus_needs_no_pandas() -> None:
    heavy = "[name for name in ('asammdf', 'pandas', 'sympy', 'canmatrix') if name in sys.modules]"
    assert said(f"import heron_can.unixbus, cantools.database, sys; print({heavy})") == "[]"


def test_who_reads_an_mf4_log_gets_it(tmp_path: Path) -> None:
    """Also where python-can was imported without it before."""
    log = tmp_path / "a.MF4"
    message = "can.Message(1_600_000_000.0, 0x123, is_extended_id=False, data=b'ab', channel=0)"
    said(f"import can\nwith can.Logger({str(log)!r}) as out:\n    out({message})")
    program = f"""
from pathlib import Path
import heron_can.unixbus, sys
from heron_can.logfile import log_frames
assert "asammdf" not in sys.modules
print([frame.data for _, (_, frame) in log_frames(Path({str(log)!r}), {{"*": "vehicle"}})])
"""
    assert said(program) == "[b'ab']"
