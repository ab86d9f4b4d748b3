"""The decisions of a download: which bytes to ask for, and what to make of each response.

Pure: nothing here opens a file or a socket, looks at a clock or draws a random number. Times and chance come as
arguments, so that tests can play whole downloads in no time.
"""
