"""Install the Python reference's environment: about 6 GB, a few minutes.

usage: install.py DIR
"""

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip())
        return 0 if "--help" in sys.argv else 1
    if sys.version_info[:2] != (3, 11):
        print(
            f"error: this is Python {sys.version.split()[0]}, and the reference's pinned packages"
            " are built for 3.11: run this script with a python3.11",
            file=sys.stderr,
        )
        return 1
    env = Path(sys.argv[1]).absolute()
    if not (env / "bin/python").exists():
        print(f"creating {env}")
        venv.create(env, with_pip=True)
    pip = [str(env / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(HERE / "requirements.txt")], check=True)
    # These have no wheels, and their build scripts use packages of the first set.
    source = str(HERE / "requirements-source.txt")
    subprocess.run([*pip, "--no-build-isolation", "-r", source], check=True)
    print(f"{env}: the reference's environment is ready")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as failure:
        sys.exit(f"error: pip failed (exit status {failure.returncode}); what it said is above")
