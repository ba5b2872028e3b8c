"""``pip install .`` and ``pip install -e .`` in fresh virtualenvs: both give the two commands.

A wheel is compiled where there is a C compiler, and pure with ``HOOPGATE_PURE=1``; an editable
install never is.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
#: What a build needs.
SOURCES = ("hoopgate", "twisted", "setup.cfg", "pyproject.toml", "setup.py", "README.md", "LICENSE")
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


def run(*command: str | Path, cwd: Path, status: int = 0, **environment: str) -> str:
    """Run a command; what it printed. The status must be the expected one."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=1800,
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


def can_compile() -> bool:
    """True where a build finds what it needs to compile."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    headers = Path(sysconfig.get_path("include"), "Python.h")
    return shutil.which(compiler.split()[0]) is not None and headers.exists()


@pytest.fixture(scope="module", params=["wheel", "pure", "editable"])
def bin_directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``bin`` of a fresh virtualenv with hoopgate installed in one of the ways there are."""
    root = tmp_path_factory.mktemp(request.param)
    sources = copy_of_sources(root / "sources")
    run(sys.executable, "-m", "venv", root / "venv", cwd=root)
    how = ["--editable", "."] if request.param == "editable" else ["."]
    pure = str(int(request.param == "pure"))
    pip = (root / "venv" / "bin" / "python", *PIP)
    # Not optimised: what is tested is that it is compiled, and the C compiler takes less.
    run(*pip, "install", *how, cwd=sources, HOOPGATE_PURE=pure, MYPYC_OPT_LEVEL="0")
    if request.param != "editable":
        shutil.rmtree(sources)
    return root / "venv" / "bin"


@pytest.fixture
def built(request: pytest.FixtureRequest, bin_directory: Path) -> str:
    """How what is installed must run: ``compiled`` or ``interpreted``."""
    way = request.node.callspec.params["bin_directory"]
    return "compiled" if way == "wheel" and can_compile() else "interpreted"


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


def compiled_modules() -> list[str]:
    """The modules that setup.py compiles."""
    for node in ast.parse((CHECKOUT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MODULES":
            return [f"hoopgate.{name}" for name in eval(ast.unparse(node.value))]
    raise AssertionError("setup.py names no modules")


def test_what_is_compiled_is_imported_compiled(
    bin_directory: Path, built: str, tmp_path: Path
) -> None:
    names = compiled_modules()
    code = f"import importlib\nfor name in {names}: print(importlib.import_module(name).__file__)"
    files = run(bin_directory / "python", "-c", code, cwd=tmp_path).splitlines()
    assert len(files) == len(names)
    assert {Path(file).suffix for file in files} == {".so" if built == "compiled" else ".py"}


#: A plan that goes to a child, as one does that masks a large answer by the data dictionary.
PLANS = """
import pickle
from hoopgate.plans import BodyPlan, Method, PathMask
plan = BodyPlan((), paths=(PathMask("/ssn", "SSN", Method.REDACT),), unlabelled=False)
found = pickle.loads(pickle.dumps(plan, protocol=5))
print(found == plan, found.paths[0].label, found.unlabelled)
"""


def test_plans_reach_children(bin_directory: Path, tmp_path: Path) -> None:
    assert run(bin_directory / "python", "-c", PLANS, cwd=tmp_path) == "True SSN False\n"


def test_the_command_works(bin_directory: Path, built: str, tmp_path: Path) -> None:
    told = run(bin_directory / "hoopgate", "--version", cwd=tmp_path)
    assert told.startswith("hoopgate ")
    assert told.endswith(f" ({built})\n")
    told = run(bin_directory / "hoopgate", "check", "--config", "x", cwd=tmp_path, status=1)
    assert "no such file" in told


def test_packs_come_with_it(bin_directory: Path, tmp_path: Path) -> None:
    code = "from hoopgate.settings import packs; print(len(packs.read_pack('hipaa-baseline')))"
    assert int(run(bin_directory / "python", "-c", code, cwd=tmp_path)) > 0


def test_the_wheel_holds_hoopgate_and_its_plugin_only(tmp_path: Path) -> None:
    sources = copy_of_sources(tmp_path / "sources")
    # Left by a twistd that ran in the checkout.
    (sources / "twisted" / "plugins" / "dropin.cache").write_bytes(b"stale")
    names = wheel(sources, tmp_path, HOOPGATE_PURE="1")
    plugins = [name for name in names if name.startswith("twisted/")]
    assert plugins == ["twisted/plugins/hoopgate_plugin.py"]
    others = {name.partition("/")[0] for name in names} - {"hoopgate", "twisted"}
    assert not {name for name in others if not name.endswith(".dist-info")}
    assert "hoopgate/py.typed" in names
    expected = {
        path.relative_to(sources).as_posix()
        for pattern in ("*.py", "*.toml", "*.json")
        for path in (sources / "hoopgate").rglob(pattern)
    }
    assert expected <= set(names)


@pytest.mark.parametrize(
    ("environment", "broken", "why"),
    [
        ({"HOOPGATE_PURE": "1"}, False, "HOOPGATE_PURE is set"),
        ({"CC": "no-such-compiler"}, False, "there is no C compiler (no-such-compiler)"),
        ({"CC": "false"}, False, "the C compiler failed"),
        ({"CC": "true"}, True, "mypyc failed"),
    ],
)
def test_what_cannot_be_compiled_is_installed_all_the_same(
    tmp_path: Path, environment: dict[str, str], broken: bool, why: str
) -> None:
    if not can_compile() and environment.get("CC") in ("true", "false"):
        why = "Python's headers are not installed"
    sources = copy_of_sources(tmp_path / "sources")
    # One module will do: what fails is the same.
    setup = (sources / "setup.py").read_text()
    setup = setup.replace("\nCOMMANDS = ", '\nMODULES = ("plans",)\nCOMMANDS = ', 1)
    assert 'MODULES = ("plans",)' in setup
    (sources / "setup.py").write_text(setup)
    if broken:
        with (sources / "hoopgate" / "plans.py").open("a") as file:
            file.write("\nBROKEN: int = ''\n")
    log = tmp_path / "log"
    names = wheel(sources, tmp_path, "--verbose", f"--log={log}", **environment)
    assert "hoopgate/postgres/kernels.py" in names
    assert not [name for name in names if name.endswith(".so")]
    told = [line for line in log.read_text().splitlines() if "hoopgate: not compiled" in line]
    assert len(told) == 1
    assert why in told[0]


def wheel(sources: Path, directory: Path, *options: str, **environment: str) -> list[str]:
    """Build a wheel; the names it holds."""
    command = (sys.executable, *PIP, "wheel", "--no-deps", "-w", directory, *options, ".")
    run(*command, cwd=sources, **environment)
    (made,) = directory.glob("*.whl")
    return zipfile.ZipFile(made).namelist()
