"""The migrations alone, through the plain drivers: what the databases themselves hold to."""
