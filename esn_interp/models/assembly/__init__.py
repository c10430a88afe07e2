"""Models made of other people's published weights, joined by a projector that comes with the package."""
