"""What is gained when neurons are turned up: dose-response and injection."""
