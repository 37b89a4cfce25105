"""What storage can refuse.

StorageError
├── Conflict       a unique or check constraint of the database
├── NotFound       no such row
├── Unavailable    the database could not be reached or could not write (disk full, I/O error)
└── SchemaError    the schema is not what this program can use
"""


class StorageError(Exception):
    """Base of everything that storage raises on purpose."""


class Conflict(StorageError):
    """A constraint of the database refused the row."""


class NotFound(StorageError):
    """No row has this id."""


class Unavailable(StorageError):
    """The database did not do it, or it is not known whether it did."""


class SchemaError(StorageError):
    """A migration was changed after it ran, or the schema is newer than this program."""
