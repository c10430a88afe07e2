"""Who speaks in the bundled corpora, and how their speech is made."""
