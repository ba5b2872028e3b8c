// node --require: everything that is asked of MCP_GATEWAY carries MCP_TOKEN, as an agent's client would.
// Node's own fetch and npm's undici share their dispatcher by a symbol of it.
const http = require('http');
const { Agent, setGlobalDispatcher } = require('undici');
const gateway = new URL(process.env.MCP_GATEWAY);
const name = 'Authorization';
const value = `Bearer ${process.env.MCP_TOKEN}`;

function withToken(headers) {
  if (Array.isArray(headers)) {
    return headers.length && Array.isArray(headers[0]) ? [...headers, [name, value]] : [...headers, name, value];
  }
  if (headers && typeof headers[Symbol.iterator] === 'function') {
    return [...headers, [name, value]].flat();
  }
  return { ...headers, [name]: value };
}

setGlobalDispatcher(new Agent().compose((dispatch) => (options, handler) =>
  dispatch(String(options.origin) === gateway.origin ? { ...options, headers: withToken(options.headers) } : options, handler)));

const request = http.request;
http.request = (...given) => {
  for (const one of given) {
    if (one && typeof one === 'object' && String(one.port) === gateway.port) {
      one.headers = withToken(one.headers);
    }
  }
  const made = request(...given);
  if (made.getHeader(name) === undefined && String(made.getHeader('host') ?? '').endsWith(`:${gateway.port}`)) {
    made.setHeader(name, value);
  }
  return made;
};
