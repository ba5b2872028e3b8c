// A client of npm's `ws`: says what it hears. Arguments: URL, token.
const WebSocket = require("ws");
const [url, token] = process.argv.slice(2);
const socket = new WebSocket(url, { headers: { Authorization: `Bearer ${token}` } });
const say = [() => socket.send("x".repeat(65536)), () => socket.send(Buffer.alloc(70000, 255)),
             () => socket.send('{"action": "drop"}')];
socket.on("open", () => socket.send("héllo"));
socket.on("message", (data, binary) => {
    if (binary) console.log("binary", data.length);
    else console.log(data.length > 100 ? `text ${data.length}` : data.toString());
    say.shift()();
});
socket.on("close", (code) => console.log("close", code));
socket.on("error", (error) => console.log("error", error.message));
