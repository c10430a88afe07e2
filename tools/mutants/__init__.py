"""Whether the tests notice when the code is wrong: small changes, one at a time, against the module's own tests."""
