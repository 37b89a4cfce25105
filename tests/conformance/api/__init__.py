"""The REST door against its own document, by a public tool (schemathesis)."""
