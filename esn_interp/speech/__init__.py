"""Clips and corpora: reading audio, labelled clips with their splits, and the generator of the bundled corpora."""
