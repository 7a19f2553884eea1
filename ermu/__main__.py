"""`ermu` and `python -m ermu`."""

import sys


def main() -> None:
    """Entry point; an interrupt ends it quietly from the first import on."""
    try:
        from ermu.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
