"""Settings of gunicorn for an app that sends files. Its socket comes from gunicorn.socket."""

# A download holds a thread for as long as the client takes. So there are 64 downloads at a time at most, and at least
# 32: the kernel spreads connections over the workers as it likes. The sync worker has one thread, and is killed in the
# middle of downloads that take longer than "timeout".
worker_class = "gthread"
workers = 2  # one for each core
threads = 32

# Seconds that an idle connection is kept: more than keepalive_timeout of nginx.
keepalive = 75

# Seconds that running downloads get at a restart or a stop; what is cut then, clients resume.
graceful_timeout = 60

# Seconds without a sign of life until a worker is killed. A slow client does not count: each has a thread of its own.
timeout = 30
