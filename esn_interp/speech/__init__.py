"""Clips and corpora: reading audio, labelled clips and their splits, and the bundled corpora's generator."""
