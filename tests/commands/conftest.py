"""A hub in this process, on both engines."""

from tests.gateway.conftest import local as local
