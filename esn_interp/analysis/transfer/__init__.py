"""The neurons of one corpus on another."""
