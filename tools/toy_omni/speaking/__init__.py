"""Teaching toy-omni to speak: output voices, codec, token2wav and talker."""
