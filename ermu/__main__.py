"""`ermu` and `python -m ermu`."""

import sys


def main() -> None:
    """Entry point; an interrupt ends it quietly from the first import on."""
    try:
        from ermu.cli import main as run

        run()
    except KeyboardInterrupt:
        _end(130)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            _end(end.code or 0)
        raise


def _end(code: int) -> None:
    """Ends the process, at once where threads are still at work: a second signal has not waited for them.

    Python would end them in the middle of C++, which aborts.
    """
    import atexit
    import os
    from threading import current_thread, enumerate

    if any(thread is not current_thread() for thread in enumerate()):
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
