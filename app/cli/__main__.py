"""The command without its script: ``python -m app.cli``."""

from app.cli import run

# Web processes are spawned, and load this file again.
if __name__ == "__main__":
    run()
