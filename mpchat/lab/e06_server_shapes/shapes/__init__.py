"""The same chat as four small servers. Each is a file with serve(listener), which never returns.

What a client can see is decided by the server's pure core (chat.py); what they have in common is in client_side.py. So
each file has only what makes its shape: who waits for which socket, and how a line comes to the core.
"""
