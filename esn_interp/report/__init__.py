"""One self-contained page about a study, made from the files in its folder."""

from esn_interp.report.builder import build_report

__all__ = ["build_report"]
