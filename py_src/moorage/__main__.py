"""``python -m moorage``."""

from moorage.cli.commands import moorage

if __name__ == "__main__":
    moorage(prog_name="python -m moorage")
