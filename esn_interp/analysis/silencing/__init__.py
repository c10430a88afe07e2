"""What is lost when neurons are silenced: ablation, redundancy, side effects, and selectors compared by it."""
