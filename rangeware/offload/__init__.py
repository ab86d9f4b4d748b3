"""Off-load: let the front server send files, once the app has said who may have them.

There is one class for each kind of front server: nginx, Apache and lighttpd. It is given to a middleware as its option
``offload``.
"""

from .front_servers import XAccelRedirect, XLighttpdSendFile, XSendfile

__all__ = ["XAccelRedirect", "XLighttpdSendFile", "XSendfile"]
