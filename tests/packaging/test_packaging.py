"""``pip install .`` and ``pip install -e .`` in fresh virtualenvs: both give the two commands."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
#: What a build needs. setup.py is there once something is compiled.
SOURCES = ("hoopgate", "twisted", "setup.cfg", "pyproject.toml", "setup.py", "README.md", "LICENSE")
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


def run(*command: str | Path, cwd: Path, status: int = 0) -> str:
    """Run a command; what it printed. The status must be the expected one."""
    done = subprocess.run(
        command,
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


def copy_of_sources(destination: Path) -> Path:
    """A tree of its own: a build directory of an earlier build must not find its way in."""
    destination.mkdir()
    for name in SOURCES:
        source = CHECKOUT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "dropin.cache", "*.so")
            shutil.copytree(source, destination / name, ignore=ignored)
        elif source.exists():
            shutil.copy(source, destination / name)
    return destination


@pytest.fixture(scope="module", params=["wheel", "editable"])
def bin_directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``bin`` of a fresh virtualenv with hoopgate installed in one of the two ways."""
    root = tmp_path_factory.mktemp(request.param)
    sources = copy_of_sources(root / "sources")
    run(sys.executable, "-m", "venv", root / "venv", cwd=root)
    how = ["."] if request.param == "wheel" else ["--editable", "."]
    run(root / "venv" / "bin" / "python", *PIP, "install", *how, cwd=sources)
    if request.param == "wheel":
        shutil.rmtree(sources)
    return root / "venv" / "bin"


def test_twistd_lists_hoopgate(bin_directory: Path, tmp_path: Path) -> None:
    listed = run(bin_directory / "twistd", "--help", cwd=tmp_path)
    assert "hoopgate" in listed
    assert "ftp" in listed, "Twisted's own plugins are gone"
    assert "--config" in run(bin_directory / "twistd", "hoopgate", "--help", cwd=tmp_path)


def test_twistd_explains_what_is_wrong(bin_directory: Path, tmp_path: Path) -> None:
    twistd = (bin_directory / "twistd", "--nodaemon", "--pidfile=", "hoopgate")
    assert "--config is required" in run(*twistd, cwd=tmp_path, status=1)
    told = run(*twistd, "--config", "missing.toml", cwd=tmp_path, status=1)
    assert told.splitlines() == [
        f"{tmp_path / 'missing.toml'}: no such file; write the path of a hoopgate.toml"
    ]


def test_twistd_imports_the_gateway(bin_directory: Path, tmp_path: Path) -> None:
    code = "import hoopgate.gateway.service as service; print(service.make_service.__name__)"
    assert run(bin_directory / "python", "-c", code, cwd=tmp_path) == "make_service\n"


def test_the_command_works(bin_directory: Path, tmp_path: Path) -> None:
    assert run(bin_directory / "hoopgate", "--version", cwd=tmp_path).startswith("hoopgate ")
    told = run(bin_directory / "hoopgate", "check", "--config", "x", cwd=tmp_path, status=1)
    assert "no such file" in told


def test_packs_come_with_it(bin_directory: Path, tmp_path: Path) -> None:
    code = "from hoopgate.settings import packs; print(len(packs.read_pack('hipaa-baseline')))"
    assert int(run(bin_directory / "python", "-c", code, cwd=tmp_path)) > 0


def test_the_wheel_holds_hoopgate_and_its_plugin_only(tmp_path: Path) -> None:
    sources = copy_of_sources(tmp_path / "sources")
    # Left by a twistd that ran in the checkout.
    (sources / "twisted" / "plugins" / "dropin.cache").write_bytes(b"stale")
    run(sys.executable, *PIP, "wheel", "--no-deps", "-w", tmp_path, ".", cwd=sources)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    plugins = [name for name in names if name.startswith("twisted/")]
    assert plugins == ["twisted/plugins/hoopgate_plugin.py"]
    others = {name.partition("/")[0] for name in names} - {"hoopgate", "twisted"}
    assert {name for name in others if not name.endswith(".dist-info")} <= compiled(names)
    assert "hoopgate/py.typed" in names
    expected = {
        path.relative_to(sources).as_posix()
        for pattern in ("*.py", "*.toml", "*.json")
        for path in (sources / "hoopgate").rglob(pattern)
    }
    assert expected <= set(names)


def compiled(names: list[str]) -> set[str]:
    """Extension modules at the top: what mypyc adds beside the packages."""
    return {name for name in names if "/" not in name and name.endswith(".so")}
