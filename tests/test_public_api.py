"""The public names: all there, none of them paid for before it is used, none taken away by a module of its name."""

import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

import esn_interp as esn

NAMESPACES = {"inside", "edits", "judges"}
TABLES = {"CORPORA", "FAMILIES", "SELECTORS"}


@pytest.fixture(scope="module")
def everything_imported() -> set[str]:
    """Importing a module sets its name in the package that holds it, whatever stood there before."""
    names = {found.name for found in pkgutil.walk_packages(esn.__path__, f"{esn.__name__}.")}
    if find_spec("triton") is None:
        names.remove("esn_interp.neurons.triton_kernels")
    for name in names:
        import_module(name)
    return names


def test_each_public_name_is_listed_once():
    assert len(esn.__all__) == len(set(esn.__all__))
    # An analysis brings its function and its result; everything else should fit in one's head.
    others = [name for name in esn.__all__ if ".analysis." not in getattr(getattr(esn, name), "__module__", "")]
    assert 25 < len(others) <= 35


def test_every_public_name_is_what_it_says_after_every_module_is_imported(everything_imported: set[str]):
    assert len(everything_imported) > 200
    for name in esn.__all__:
        value = getattr(esn, name)
        if name in NAMESPACES:
            assert inspect.ismodule(value), name
        elif name in TABLES:
            assert len(value), name
        else:
            assert value.__name__ == name
            assert inspect.getdoc(value), name
            assert inspect.isclass(value) == name[0].isupper(), name


def test_every_public_function_can_be_called_after_every_module_is_imported(everything_imported: set[str]):
    functions = [name for name in esn.__all__ if inspect.isroutine(getattr(esn, name))]
    assert len(functions) > 20
    for name in functions:
        with pytest.raises(TypeError, match=r"missing .*argument|unexpected keyword argument 'nothing'"):
            getattr(esn, name)(nothing=True)


def test_no_public_name_is_a_module_of_the_package(everything_imported: set[str]):
    assert {f"{esn.__name__}.{name}" for name in esn.__all__}.isdisjoint(everything_imported)


def test_another_name_is_refused():
    with pytest.raises(AttributeError, match="attribute evc"):
        esn.evc  # noqa: B018


def test_importing_the_package_imports_no_heavy_library():
    heavy = "('torch', 'transformers', 'nnsight', 'plotly')"
    code = f"import esn_interp, sys; print([name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
