/** The engine alone, over a plain Map: what Grantable is measured against. Prints its readiness as one JSON line. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { type AdapterPayload, Provider } from 'oidc-provider';

const port = Number(process.env.BENCH_PORT);
const issuer = `http://localhost:${port}`;
const rows = new Map<string, AdapterPayload>();
const clientId = 'bench';
const clientSecret = 'secret-of-32-or-more-characters-x';

class MapAdapter {
  readonly model: string;
  constructor(model: string) {
    this.model = model;
  }
  async upsert(id: string, payload: AdapterPayload) {
    rows.set(this.model + id, payload);
  }
  async find(id: string) {
    return rows.get(this.model + id);
  }
  async findByUid() {
    return undefined;
  }
  async findByUserCode() {
    return undefined;
  }
  async consume(id: string) {
    Object.assign(rows.get(this.model + id) ?? {}, { consumed: Math.floor(Date.now() / 1000) });
  }
  async destroy(id: string) {
    rows.delete(this.model + id);
  }
  async revokeByGrantId() {}
}

const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const provider = new Provider(issuer, {
  adapter: MapAdapter,
  jwks: { keys: [jwk as never] },
  clients: [
    {
      client_id: clientId,
      client_secret: clientSecret,
      grant_types: ['client_credentials', 'refresh_token', 'authorization_code'],
      redirect_uris: ['https://client.example/callback'],
      response_types: ['code'],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  findAccount: async (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  rotateRefreshToken: true,
  ttl: {
    AccessToken: 3600,
    ClientCredentials: 3600,
    Grant: 86_400,
    RefreshToken: 86_400,
    IdToken: 3600,
    Session: 3600,
    Interaction: 3600,
  },
  issueRefreshToken: async () => true,
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: async () => true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: async () => [],
      useGrantedResource: async () => true,
      getResourceServerInfo: async (_ctx, resource) => ({
        scope: 'orders.read',
        accessTokenFormat: resource.includes('jwt') ? 'jwt' : 'opaque',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});

const client = await provider.Client.find(clientId);
if (!client) throw new Error('no client');

/** A refresh token as a login would leave it. */
async function seedRefreshToken(index: number): Promise<string> {
  const accountId = createHash('sha256').update(String(index)).digest('hex');
  const grant = new provider.Grant({ accountId, clientId });
  grant.addResourceScope('urn:jwt', 'orders.read');
  const grantId = await grant.save();
  const token = new provider.RefreshToken({
    accountId,
    client,
    grantId,
    gty: 'authorization_code',
    scope: 'orders.read',
    resource: 'urn:jwt',
    rotations: 0,
  } as never);
  return token.save();
}

const refreshTokens = await Promise.all(
  Array.from({ length: Number(process.env.BENCH_REFRESH_TOKENS) }, (_, index) => seedRefreshToken(index)),
);
provider.listen(port, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ clientId, clientSecret, refreshTokens })}\n`);
});
process.on('SIGTERM', () => process.exit(0));
