// What the benchmark of HTTP asks for, from memory. argv: bundle (JSON), key, certificate.
const fs = require('fs');
const http = require('http');
const https = require('https');

const bundle = fs.readFileSync(process.argv[2]);
const small = Buffer.from(JSON.stringify({ id: 7, text: 'x'.repeat(180) }));

function answer(request, response) {
  const fhir = request.url.startsWith('/fhir');
  const body = fhir ? bundle : small;
  const type = fhir ? 'application/fhir+json' : 'application/json';
  request.resume();
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': body.length });
  response.end(body);
}

const plain = http.createServer({ keepAliveTimeout: 600000 }, answer);
const secure = https.createServer(
  { key: fs.readFileSync(process.argv[3]), cert: fs.readFileSync(process.argv[4]), keepAliveTimeout: 600000 },
  answer
);
plain.listen(0, '127.0.0.1', () =>
  secure.listen(0, '127.0.0.1', () => console.log('ports', plain.address().port, secure.address().port, '.'))
);
