"""The playground: one recording, one model, and sliders whose effect is seen at once; opened by `esn play`."""
