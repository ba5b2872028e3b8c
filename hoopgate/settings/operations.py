"""Words for operations of protocols without SQL: classes, flags and attributes that rules match.

A protocol's words begin with its name. What a statement of SQL does is in ``sql/classes.py``.
"""

from __future__ import annotations

from typing import Final

CLASSES: Final = {
    "http.read": "GET, HEAD or OPTIONS of something that is not FHIR",
    "http.write": "POST, PUT or PATCH of something that is not FHIR",
    "http.delete": "DELETE of something that is not FHIR",
    "http.websocket": "a message in a WebSocket, of either side, and its opening",
    "fhir.capabilities": "GET /metadata and the like: what the server can do",
    "fhir.read": "read of one resource, or of one version of it",
    "fhir.history": "versions of a resource, of a type, of all",
    "fhir.search": "search by GET or by POST _search",
    "fhir.create": "create, also conditional",
    "fhir.update": "update, also conditional",
    "fhir.patch": "patch, also conditional",
    "fhir.delete": "delete, also conditional",
    "fhir.operation": "an operation ($everything, $validate …); rules name it in functions",
    "fhir.export": "bulk data: $export, its status, its files",
    "fhir.batch": "a batch or transaction (with the classes of its entries)",
    "mcp.session": "initialize, ping, notifications, answers to the server, end of the session",
    "mcp.list": "tools/list, resources/list, prompts/list",
    "mcp.call": "tools/call; rules name the tool in functions",
    "mcp.read": "resources/read, resources/subscribe",
    "mcp.prompt": "prompts/get, completion/complete",
    "mcp.task": "tasks/get and the like: results of earlier calls",
    "mcp.unknown": "a method that this version does not know",
    "ssh.exec": "a command line",
    "ssh.shell": "an interactive shell",
    "sftp.session": "the start of SFTP",
    "sftp.stat": "attributes of a file, of a file system; where a path or a link leads",
    "sftp.list": "the list of a directory",
    "sftp.read": "reading a file by SFTP, by scp or by rsync",
    "sftp.write": "writing or making a file by SFTP, by scp or by rsync",
    "sftp.attributes": "changing modes, owners, times or the length of a file",
    "sftp.make": "making a directory",
    "sftp.remove": "removing a file or a directory",
    "sftp.rename": "renaming, also over another file",
    "sftp.link": "making a symbolic or a hard link",
    "sftp.bulk": "reading, removing or renaming more than the bound of a session",
}

FLAGS: Final = {
    "phi_predicate": "searches, sorts or tests by something that holds PHI",
    "opaque": "cannot be known beforehand what it reads: an unknown operation or parameter",
    "sink": "makes the server send data elsewhere (Subscription), or copies PHI",
    "redacted": "writes back a value that the gateway has masked",
    "conditional": "create, update, patch or delete of what a search finds",
    "terminal": "on a terminal",
    "not_literal": "a command line that is more than one simple command of literal words",
    "shell_compound": "several commands, control structures, assignments, subshells",
    "shell_expansion": "variables, substitutions, patterns of file names, braces, tildes, $'…'",
    "shell_redirection": "redirections and here-documents",
    "unparsable": "not valid for the grammar of bash",
    "destructive": "names a program or an option that destroys: a tripwire, no list is whole",
    "interpreter": "names a program that runs what it is told: a tripwire, likewise",
    "recursive": "scp or rsync of a whole directory",
}

#: Table of ``match`` → its keys.
ATTRIBUTES: Final = {
    "ssh": {
        "command": "the program of a literal command line, as it is written",
        "path": "paths of file operations as the server resolves them; * is any text, also slashes",
    },
    "http": {
        "method": "the method, in capitals",
        "path": "the path below the resource, normalised; * is any text, also with slashes",
        "template": "the path with ids as {id}: /Patient/{id}/_history/{id}",
        "parameter": "query (and form) parameters: name, or name=value",
        "header": "headers, in lower case: name, or name=value",
        "body": "JSON bodies: a pointer, or pointer=value; tool arguments as /params/arguments/…",
        "tool": "the MCP tool, prompt or URI of a resource",
        "message": "of a WebSocket: open, client.text, client.binary, server.text, server.binary",
    },
}
