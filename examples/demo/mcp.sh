#!/bin/sh
# mcp METHOD [PARAMS]: one request of the Model Context Protocol over streamable HTTP, by curl.
# $TOKEN is the agent's, $TOOLS the address of the server.
params=$2
post() {
    curl --oauth2-bearer "$TOKEN" --header "Content-Type: application/json" \
        --header "Accept: application/json, text/event-stream" "$@" "$TOOLS"
}
message() {
    printf '{"jsonrpc":"2.0","id":%d,"method":"%s","params":%s}' "$1" "$2" "$3"
}
hello='{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"sh","version":"1"}}'
session=$(post --dump-header - --output /dev/null --data "$(message 1 initialize "$hello")" |
    tr -d '\r' | sed -n 's/^[Mm]cp-[Ss]ession-[Ii]d: //p')
post --header "Mcp-Session-Id: $session" \
    --data '{"jsonrpc":"2.0","method":"notifications/initialized"}'
post --header "Mcp-Session-Id: $session" --data "$(message 2 "$1" "${params:-{\}}")" |
    sed -n 's/^data: //; /^{/p'
