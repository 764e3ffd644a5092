"""`heron VERB`: finds the verb's module and runs its typer app; imports nothing of the other verbs.

A verb is a module `heron_bringup/verbs/<verb>.py` whose docstring's first line says what it does and whose `app` is a
`typer.Typer`. A verb exists when its module does. A module `<verb>_<command>.py` beside it is one of its commands.
"""

import ast
import errno
import importlib
import sys
from pathlib import Path

from heron_bringup.verbs import verb_modules

EXIT_DONE, EXIT_FAILED, EXIT_WRONG_USE, EXIT_STOPPED = 0, 1, 2, 130
"""Done; the run failed its own criteria; wrong use or input; Ctrl-C."""

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

EXAMPLES = {
    "drive": ("./heron drive", "./heron drive --bag RECORDING --lockstep --out OUT"),
    "bag": ("./heron bag info RECORDING",),
    "bench": ("./heron bench",),
    "camera": ("./heron camera undistort PHOTOS --calibration CALIBRATION --out OUT",),
    "control": ("./heron control tune --out OUT",),
    "jadd": ("./heron jadd create --input RECORDING --out DATASET", "./heron jadd check DATASET"),
    "model": (
        "./heron model train --preset tiny --out RUN",
        "./heron model eval RUN/policy --out OUT",
        "./heron model push RUN/policy --store STORE",
    ),
    "remote": ("./heron remote key new", "./heron remote serve", "./heron remote matrix --out OUT"),
    "sim": ("./heron sim list", "./heron sim matrix town traffic_guide --seeds 0:20 --out OUT"),
    "test": ("./heron test", "./heron test --slow -k lockstep"),
    "setup": ("./heron setup",),
}


def verbs() -> dict[str, str]:
    """Verb -> first line of its module's docstring, read without importing it."""
    paths = verb_modules(Path(__file__).parent / "verbs")
    return {path.stem: (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0] for path in paths}


def overview(known: dict[str, str]) -> str:
    """The text of `heron --help`."""
    lines = ["Usage: ./heron VERB [OPTIONS]", "", "Heron: cameras and CAN in, a policy in the middle, commands out.", "", "Verbs:"]
    lines += [f"  {verb:10}{summary}" for verb, summary in known.items()]
    lines += ["", "Examples:"] + [f"  {line}" for verb in known for line in EXAMPLES.get(verb, (f"./heron {verb} --help",))]
    lines += [
        "",
        "./heron VERB --help tells more. Exit codes: 0 done, 1 the run failed its own criteria, 2 wrong use or input, 130 stopped by Ctrl-C.",
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Run one verb and return its exit code.

    Args:
        arguments: the command line without the program's name.
    """
    known = verbs()
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview(known))
        return EXIT_DONE
    verb, *rest = arguments
    if verb not in known:
        print(f"heron: no verb {verb!r}; there are: {', '.join(known)} (./heron --help)", file=sys.stderr)
        return EXIT_WRONG_USE
    import typer  # heavy, and not needed for the overview

    from heron_core.errors import HeronError

    app = importlib.import_module(f"heron_bringup.verbs.{verb}").app
    try:
        code = typer.main.get_command(app).main(args=rest, prog_name=f"./heron {verb}", standalone_mode=True)
    except SystemExit as stop:
        if stop.code == EXIT_STOPPED:  # typer says nothing
            print(f"\nheron {verb}: stopped by Ctrl-C", file=sys.stderr)
        return stop.code if isinstance(stop.code, int) else EXIT_DONE if stop.code is None else EXIT_FAILED
    except HeronError as error:
        print(f"heron {verb}: {error}", file=sys.stderr)
        return EXIT_FAILED if error.is_failure else EXIT_WRONG_USE
    except OSError as error:
        if error.filename is None and error.errno not in DISK_FULL:
            raise  # nothing that a person could mend: a fault of ours
        print(f"heron {verb}: {error.filename or 'writing'}: {error.strerror}", file=sys.stderr)
        return EXIT_FAILED if error.errno in DISK_FULL else EXIT_WRONG_USE
    except KeyboardInterrupt:  # before the verb began
        print(f"\nheron {verb}: stopped by Ctrl-C", file=sys.stderr)
        return EXIT_STOPPED
    return int(code or 0)


def start() -> None:
    """Entry point of the console script."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    start()
