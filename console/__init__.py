"""The room that talks to people: pages, REST API, websocket, command line, access, settings.

Nothing is imported here, so that the command line starts without Django. `celery -A console`
finds `console.celery` by its name; every other process meets it in `ConsoleConfig.ready`.
"""
