"""How the projector of smol-audio is trained, between ears and a decoder that stay as they are."""
