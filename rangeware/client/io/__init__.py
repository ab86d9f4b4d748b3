"""The files, sockets and threads of a download, which carry out what ``planning`` decides."""
