"""The REST door described by OpenAPI 3.1, made from the Structs and tables that serve it."""
