"""From effects to results: frozen dataclasses that plot, tabulate, save and summarise themselves."""
