"""The search page: type what is done, watch the moments where it is done (``python -m orchestration.search``).

Belongs here: a small web application over what the lake and its models already hold. It writes nothing.
"""
