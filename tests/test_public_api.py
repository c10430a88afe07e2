"""The public names: all there, and none of them paid for before it is used."""

import subprocess
import sys

import esn_interp as esn


def test_every_public_name_resolves():
    assert sorted(esn.__all__) == sorted(set(esn.__all__))
    for name in esn.__all__:
        assert getattr(esn, name) is not None
    assert esn.load.__module__ == "esn_interp.models.loading"


def test_the_table_of_homes_and_the_public_names_agree():
    assert set(esn._HOME_OF) == set(esn.__all__)


def test_importing_the_package_imports_no_heavy_library():
    heavy = "('torch', 'transformers', 'nnsight', 'plotly')"
    code = f"import esn_interp, sys; print([name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
