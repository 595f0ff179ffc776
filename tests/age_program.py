"""The real age program, which asks for a passphrase at a terminal and nowhere else."""

import shutil
import subprocess
import sys
from pathlib import Path

# In a process of its own: one with threads, like that of the tests, should not fork.
AT_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def decrypt(sealed: Path, opened: Path, passphrase: str) -> bool:
    """Whether `age -d` opens a file with this passphrase."""
    return _age("-d", "-o", opened, sealed, typed=f"{passphrase}\n")


def encrypt(content: Path, sealed: Path, passphrase: str, *options: str) -> bool:
    """Whether `age -p` seals a file with this passphrase, typed twice."""
    return _age("-p", *options, "-o", sealed, content, typed=f"{passphrase}\n" * 2)


def encrypt_to_a_key(content: Path, sealed: Path) -> bool:
    """Whether age seals a file for whoever holds a key."""
    nobody = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    return _age("-r", nobody, "-o", sealed, content, typed="")


def _age(*arguments: str | Path, typed: str) -> bool:
    program = shutil.which("age")
    assert program, "the launcher installs age"
    run = [sys.executable, "-c", AT_A_TERMINAL, program, *map(str, arguments)]
    done = subprocess.run(run, input=typed.encode(), capture_output=True, timeout=60, check=False)
    return done.returncode == 0
