"""Commands in processes of their own."""

from .processes import environment, lidbook, phone, serve  # noqa: F401 - fixtures
