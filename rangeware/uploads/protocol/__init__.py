"""The two protocols of resumable uploads, decided without any I/O.

A request becomes an operation (create, append, ask for the offset, cancel, read), the same for both protocols, or a
``Refusal``; the upload as it is afterwards becomes a response. ``engine`` carries the operations out.
"""
