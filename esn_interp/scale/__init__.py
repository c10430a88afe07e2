"""More than one machine: work in shards, on replicas of a model."""
