"""What storage can refuse.

StorageError
├── Conflict       a unique or check constraint of the database
├── NotFound       no such row
├── Stale          the row has another version than the one that was to be changed
├── Sealed         a row of another merchant than the one that the work runs for
├── Unavailable    the database could not be reached or could not write (disk full, I/O error)
└── SchemaError    the schema is not what this program can use
    └── NoSchema   there is none
"""


class StorageError(Exception):
    """Base of everything that storage raises on purpose."""


class Conflict(StorageError):
    """A constraint of the database refused the row."""


class NotFound(StorageError):
    """No row has this id."""


class Stale(StorageError):
    """The row was changed since it was read."""


class Sealed(StorageError):
    """The database refused to touch a row outside of the scope: a fault of the program."""


class Unavailable(StorageError):
    """The database did not do it, or it is not known whether it did."""


class SchemaError(StorageError):
    """A migration was changed after it ran, or the schema is newer than this program."""


class NoSchema(SchemaError):
    """No migration was applied to this database."""
