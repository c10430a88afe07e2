"""A small stand-in of Kimi-Audio's inference package: the names and signatures that the family relies on, no more."""
