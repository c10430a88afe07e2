"""Is everything here that the toolkit needs, does it work, and are these files whole?"""
