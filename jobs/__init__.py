"""The layer between hub and storage: the work queues. Empty until they arrive."""
