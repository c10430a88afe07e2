"""What numbers allow one to say: intervals, tests, curves and scans, each on plain arrays."""
