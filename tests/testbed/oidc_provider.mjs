// npm oidc-provider as an issuer of the tests: node oidc_provider.mjs SETTINGS.json
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const settings = JSON.parse(readFileSync(process.argv[2]));
const require = createRequire(settings.modules + '/');
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const provider = new Provider(settings.issuer, {
  clients: settings.clients,
  jwks: settings.jwks,
  cookies: { keys: ['of the testbed'] },
  scopes: ['openid', 'offline_access', ...settings.scopes],
  findAccount: (context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  pkce: { required: () => true },
  ttl: { AccessToken: 600, ClientCredentials: 600, DeviceCode: 600, RefreshToken: 3600, Grant: 3600,
         IdToken: 600, Interaction: 600, Session: 600, AuthorizationCode: 60 },
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => settings.resource,
      useGrantedResource: () => true,
      getResourceServerInfo: (context, resource, client) => ({
        scope: settings.scopes.join(' '),
        audience: resource,
        accessTokenTTL: 600,
        // Opaque ones are for those who ask the issuer what they mean
        accessTokenFormat: client.clientId.startsWith('opaque') ? 'opaque' : 'jwt',
        jwt: { sign: { alg: settings.algorithm } },
      }),
    },
  },
  // Agents are clients: their tokens say who they are
  formats: { customizers: { jwt: (context, token, parts) => {
    if (token.kind === 'ClientCredentials') parts.payload.sub = token.clientId;
  } } },
  extraTokenClaims: () => settings.claims,
});
provider.proxy = true;

https.createServer(
  { cert: readFileSync(settings.certificate), key: readFileSync(settings.key) },
  provider.callback(),
).listen(settings.port, '127.0.0.1', () => console.log('ready'));
