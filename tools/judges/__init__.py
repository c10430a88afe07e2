"""How the bundled judges are trained."""
