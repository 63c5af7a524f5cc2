"""What an import takes in a fresh process: prints one JSON line.

Run by its path rather than with `-m`, so that nothing is imported before.
"""

import sys
from importlib import import_module
from time import perf_counter

_EXTRAS = ("typer", "rich", "uvloop", "pytest", "matplotlib")


def main() -> None:
    """Import the modules of the command line; the last argument is the core, or -1."""
    *modules, core = sys.argv[1:]
    if sys.platform == "linux" and int(core) >= 0:
        import os  # noqa: PLC0415  # Python has imported it by now; this names it

        os.sched_setaffinity(0, {int(core)})
    begun = perf_counter()
    for module in modules:
        imported = import_module(module)
        # As `from ... import` does: a package may import what it offers no sooner.
        for name in getattr(imported, "__all__", ())[:1]:
            getattr(imported, name)
    seconds = perf_counter() - begun
    extras = ",".join(f'"{name}"' for name in _EXTRAS if name in sys.modules)
    sys.stdout.write(f'{{"seconds":{seconds},"extras":[{extras}]}}\n')


if __name__ == "__main__":
    main()
