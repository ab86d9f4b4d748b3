"""The operations that a request can ask for. They are the same for both protocols."""

from __future__ import annotations

from typing import NamedTuple

from .values import Digest, Upload


class Append(NamedTuple):
    """Store the content of the request from ``offset`` on.

    :param length: of the whole file, if the request tells it.
    :param completes: True: the upload is complete after this content. False: it is not. None: it is, once ``offset``
        is ``length``.
    :param digest: of the content of this request.
    :param ends_on_surplus: True if more content than ``length`` ends the upload.
    """

    id: str
    offset: int
    length: int | None = None
    completes: bool | None = None
    digest: Digest | None = None
    ends_on_surplus: bool = False


class Create(NamedTuple):
    """Create an upload like ``upload``, which has no id yet, and append the content of the request, if it has any.

    :param parts: ids of the uploads to concatenate.
    """

    upload: Upload
    append: Append | None = None
    parts: tuple[str, ...] = ()


class Look(NamedTuple):
    """Tell the offset. ``ends_others``: no request that is under way may change it afterwards."""

    id: str
    ends_others: bool = False


class Cancel(NamedTuple):
    """Remove the upload."""

    id: str


class Read(NamedTuple):
    """Send the content of a finished upload."""

    id: str


class Options(NamedTuple):
    """Tell what the server can do."""


Operation = Append | Create | Look | Cancel | Read | Options
