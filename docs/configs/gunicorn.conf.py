"""Settings of gunicorn for an app that sends files. Its socket comes from gunicorn.socket."""

# A download holds a thread for as long as the client takes, so this is the number of downloads at a time: 2 * 32. A
# thread that waits costs some 100 KiB. The sync worker has one thread, and kills downloads that take over 30 seconds.
worker_class = "gthread"
workers = 2  # one for each core
threads = 32

# Seconds that an idle connection is kept: more than keepalive_timeout of nginx.
keepalive = 75

# Seconds that running downloads get at a restart or a stop; what is cut then, clients resume.
graceful_timeout = 60

# Seconds without a sign of life until a worker is killed. A slow client does not count: each has a thread of its own.
timeout = 30
