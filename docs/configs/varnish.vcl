vcl 4.1;

# Varnish as a cache in front of a Python app that sends big files.
#
# Varnish fetches a file whole, whatever range a client asks for, and cuts the ranges itself. A client need not wait for
# the whole: it gets its bytes while they arrive. Files too big for that are left to the app, ranges and all.

import std;

backend app {
    .host = "127.0.0.1";
    .port = "8000";
}

sub vcl_recv {
    # What a client claims about itself is replaced. Behind another proxy that does the TLS, remove the three lines, and
    # have that one set them.
    set req.http.X-Forwarded-For = client.ip;
    set req.http.X-Forwarded-Host = req.http.Host;
    set req.http.X-Forwarded-Proto = "http";

    # Varnish knows one range only: to several it would say 416, as to a Range that is malformed or has another unit.
    # RFC 9110 14.2 wants those two ignored, and lets us ignore the first.
    if (req.http.Range && req.http.Range !~ "(?i)^bytes=([0-9]+-[0-9]*|-[0-9]+)$") {
        unset req.http.Range;
    }

    # A request with a cookie or with Authorization goes to the app, and nothing is kept of its response: it may be
    # meant for one user. Where the files are public, drop the cookie here: unset req.http.Cookie;
}

sub vcl_backend_response {
    # To send what has arrived while the rest arrives. It is the default, and big files need it: without it, the
    # first client waits for the last byte.
    set beresp.do_stream = true;

    # A file of 100 MB or more is not kept: to fetch 5 GB for a range at their end takes too long. The first request
    # finds that out. For ten minutes, the next ones go to the app with their Range, and it sends no more than that.
    if (std.integer(beresp.http.Content-Length, 0) >= 100000000) {
        return (pass(10m));
    }

    # The app says how long a file may be used (Cache-Control: max-age=10). If it does not, Varnish would take two
    # minutes, also for a name that does not exist, though it may do so soon.
    if (beresp.ttl > 0s && !beresp.http.Cache-Control && !beresp.http.Expires) {
        set beresp.ttl = 5s;
    }

    # For a while after that, a client still gets what is kept, and Varnish asks the app in the background: if the file
    # has changed, the next client gets the new one.
    set beresp.grace = 10s;
    if (beresp.status == 404) {
        set beresp.ttl = 1s;
        set beresp.grace = 0s;
    }

    # And later it still asks with If-None-Match, and needs no new copy if the app says 304.
    set beresp.keep = 1d;

    # A file that was written less than two seconds ago has no ETag yet, since it may change again unseen. Its date alone
    # must not be asked for: another version may be of the same second, or be put there with an older date.
    if (!beresp.http.ETag) {
        unset beresp.http.Last-Modified;
    }
}
