/**
 * Every way in which a client may present itself, at every endpoint that authenticates clients: the same verdict, the
 * same audit row, the same count of wrong secrets, whichever endpoint it is and whichever way through the server.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { exportJWK, SignJWT } from 'jose';
import { createLogger } from '../../src/http/log.ts';
import { basic, RESOURCE, startServer, type TestServer } from '../support/server.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** Reads differently when it is form-decoded. */
const TRICKY = 'p%41ss+word%zz-'.padEnd(40, 'x');
const ENCODABLE = 'p%41ss+word-'.padEnd(40, 'x');

type Fields = Readonly<Record<string, string>>;

/** What a client sends to say who it is. */
interface Presented {
  readonly authorization?: string;
  readonly form?: Fields;
}

type Verdict = 'taken' | 'invalid_client' | 'invalid_request';

interface Way {
  readonly name: string;
  readonly send: () => Presented | Promise<Presented>;
  readonly verdict: Verdict;
  /** Wrong secrets counted. */
  readonly counted?: number;
  /** What the log and the audit say. */
  readonly reason?: RegExp;
  /** The client that the audit names. */
  readonly client?: string;
  /** Taken as a public client, which may revoke and get tokens and may not introspect. */
  readonly isPublic?: boolean;
}

interface Outcome {
  readonly verdict: string;
  readonly counted: number;
  readonly reason: string | undefined;
  readonly client: string | undefined;
}

describe('ways of client authentication', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let server: TestServer;
  let sent = 0;
  const lines: Record<string, unknown>[] = [];

  before(async () => {
    const jwk = { ...(await exportJWK(publicKey)), kid: 'client-key', alg: 'ES256', use: 'sig' };
    server = await startServer({
      env: { GRANTABLE_TRUSTED_PROXIES: '127.0.0.1,::1' },
      log: createLogger({
        level: 'info',
        destination: { write: (line: string) => void lines.push(JSON.parse(line)) },
      }),
      fixture: ({ organizations: [acme] }) => {
        const machine = acme.applications.find(({ name }: any) => name === 'machine');
        const { clientSecret: _, ...plain } = machine;
        const add = (name: string, rest: object) =>
          acme.applications.push({ ...plain, name, clientId: name, introspects: [RESOURCE], ...rest });
        machine.introspects = [RESOURCE];
        add('posting', { authMethod: 'client_secret_post', clientSecret: secretOf('posting') });
        add('keyed', { authMethod: 'private_key_jwt', jwks: { keys: [jwk] } });
        add('tricky', { clientSecret: TRICKY });
        add('encodable', { clientSecret: ENCODABLE });
        add('plus', { clientId: 'with+plus', clientSecret: secretOf('with+plus') });
        acme.faces = {
          fusio: { application: 'shop', registration: false },
          usergrid: { registration: false },
        };
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  const secretOf = (clientId: string) => `secret-of-${clientId}-`.padEnd(40, 'x');
  const plainBasic = (clientId: string, secret: string) =>
    `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`;
  const byBasic = (clientId: string, secret = secretOf(clientId)): Presented => ({
    authorization: basic(clientId, secret),
  });
  const inBody = (clientId: string, secret = secretOf(clientId)): Presented => ({
    form: { client_id: clientId, client_secret: secret },
  });
  const assertion = async (clientId: string, claims: object = {}): Promise<Presented> => {
    const now = Math.floor(Date.now() / 1000);
    const value = await new SignJWT({
      iss: clientId,
      sub: clientId,
      aud: server.issuer,
      jti: randomUUID(),
      iat: now,
      exp: now + 60,
      ...claims,
    })
      .setProtectedHeader({ alg: 'ES256', kid: 'client-key' })
      .sign(privateKey);
    return { form: { client_assertion_type: ASSERTION_TYPE, client_assertion: value } };
  };
  const both = async (one: Presented, other: Presented | Promise<Presented>): Promise<Presented> => {
    const { authorization, form } = await other;
    return {
      ...one,
      ...(authorization !== undefined && { authorization }),
      form: { ...one.form, ...form },
    };
  };

  const refused = { verdict: 'invalid_client', counted: 0 } as const;
  const guessed = { verdict: 'invalid_client', counted: 1 } as const;
  const nobody = { ...refused, reason: /no client authentication/ };
  const twice = { verdict: 'invalid_request' } as const;
  const misfit = (client: string) => ({ client, reason: /the client used \w+, and is registered with \w+/ });

  const ways: Way[] = [
    { name: 'nothing', send: () => ({}), ...nobody },
    { name: 'an empty client_id', send: () => ({ form: { client_id: '' } }), ...nobody },
    { name: 'a secret without an id', send: () => ({ form: { client_secret: 'x' } }), ...nobody },
    { name: 'Basic without an id', send: () => ({ authorization: plainBasic('', 'x') }), ...nobody },
    { name: 'another scheme', send: () => ({ authorization: 'Bearer abc' }), ...nobody },
    {
      name: 'another scheme beside the id of a public client',
      send: () => ({ authorization: 'Bearer abc', form: { client_id: 'spa' } }),
      ...nobody,
    },
    {
      name: 'Basic without a colon',
      send: () => ({ authorization: `Basic ${Buffer.from('machine').toString('base64')}` }),
      verdict: 'invalid_request',
    },
    {
      name: 'Basic that is no base64',
      send: () => ({ authorization: 'Basic %%%' }),
      verdict: 'invalid_request',
    },

    {
      name: 'the id of a public client',
      send: () => ({ form: { client_id: 'spa' } }),
      verdict: 'taken',
      isPublic: true,
    },
    {
      name: 'the id of a public client with an empty secret by Basic',
      send: () => byBasic('spa', ''),
      verdict: 'taken',
      isPublic: true,
    },
    {
      name: 'the id of a public client with an empty secret in the body',
      send: () => inBody('spa', ''),
      verdict: 'taken',
      isPublic: true,
    },
    { name: 'a secret for a public client', send: () => byBasic('spa', 'x'), ...guessed, ...misfit('spa') },
    {
      name: 'a secret in the body for a public client',
      send: () => inBody('spa', 'x'),
      ...guessed,
      ...misfit('spa'),
    },
    {
      name: 'the id of a client alone',
      send: () => ({ form: { client_id: 'machine' } }),
      ...refused,
      ...misfit('machine'),
    },
    {
      name: 'an empty secret by Basic',
      send: () => byBasic('machine', ''),
      ...refused,
      ...misfit('machine'),
    },
    {
      name: 'an empty secret in the body',
      send: () => inBody('machine', ''),
      ...refused,
      ...misfit('machine'),
    },
    {
      name: 'the id of an unknown client',
      send: () => ({ form: { client_id: 'unknown' } }),
      ...refused,
      reason: /client not found/,
    },

    { name: 'the secret by Basic', send: () => byBasic('machine'), verdict: 'taken' },
    { name: 'the secret in the body', send: () => inBody('machine'), verdict: 'taken' },
    {
      name: 'the secret by Basic, registered for the body',
      send: () => byBasic('posting'),
      verdict: 'taken',
    },
    {
      name: 'the secret in the body, registered for the body',
      send: () => inBody('posting'),
      verdict: 'taken',
    },
    {
      name: 'a lower-case scheme',
      send: () => ({ authorization: byBasic('machine').authorization?.replace('Basic', 'basic') ?? '' }),
      verdict: 'taken',
    },
    {
      name: 'a secret that is not form-encoded',
      send: () => ({ authorization: plainBasic('tricky', TRICKY) }),
      verdict: 'taken',
    },
    { name: 'the same form-encoded', send: () => byBasic('tricky', TRICKY), verdict: 'taken' },
    {
      name: 'a secret that reads otherwise when decoded, as it is',
      send: () => ({ authorization: plainBasic('encodable', ENCODABLE) }),
      verdict: 'taken',
    },
    { name: 'the same form-encoded once', send: () => byBasic('encodable', ENCODABLE), verdict: 'taken' },
    { name: 'it in the body', send: () => inBody('encodable', ENCODABLE), verdict: 'taken' },
    {
      name: 'it form-encoded in the body',
      send: () => inBody('encodable', encodeURIComponent(ENCODABLE)),
      ...guessed,
      client: 'encodable',
      reason: /invalid secret/,
    },
    {
      name: 'an id that is not form-encoded',
      send: () => ({ authorization: plainBasic('with+plus', secretOf('with+plus')) }),
      verdict: 'taken',
    },
    {
      name: 'the client_id beside Basic',
      send: () => both(byBasic('machine'), { form: { client_id: 'machine' } }),
      verdict: 'taken',
    },
    {
      name: 'another client_id beside Basic',
      send: () => both(byBasic('machine'), { form: { client_id: 'posting' } }),
      verdict: 'invalid_request',
    },

    {
      name: 'a wrong secret by Basic',
      send: () => byBasic('machine', 'wrong'),
      ...guessed,
      client: 'machine',
      reason: /invalid secret/,
    },
    {
      name: 'a wrong secret in the body',
      send: () => inBody('machine', 'wrong'),
      ...guessed,
      client: 'machine',
      reason: /invalid secret/,
    },
    {
      name: 'a wrong secret that cannot be decoded',
      send: () => ({ authorization: plainBasic('machine', '%zz') }),
      ...guessed,
      client: 'machine',
      reason: /invalid secret/,
    },
    {
      name: 'an unknown client by Basic',
      send: () => byBasic('unknown'),
      ...guessed,
      reason: /client not found/,
    },
    {
      name: 'an unknown client in the body',
      send: () => inBody('unknown'),
      ...guessed,
      reason: /client not found/,
    },
    { name: 'a secret for a client with keys', send: () => byBasic('keyed'), ...guessed, ...misfit('keyed') },
    {
      name: 'a secret in the body for a client with keys',
      send: () => inBody('keyed'),
      ...guessed,
      ...misfit('keyed'),
    },

    { name: 'an assertion', send: () => assertion('keyed'), verdict: 'taken' },
    {
      name: 'an assertion for another audience',
      send: () => assertion('keyed', { aud: 'https://x.example' }),
      ...refused,
      client: 'keyed',
    },
    {
      name: 'an assertion of a client with a secret',
      send: () => assertion('machine'),
      ...refused,
      ...misfit('machine'),
    },
    { name: 'an assertion of a public client', send: () => assertion('spa'), ...refused, ...misfit('spa') },
    {
      name: 'an assertion of an unknown client',
      send: () => assertion('unknown'),
      ...refused,
      reason: /client not found/,
    },

    {
      name: 'TE-04 Basic and the secret in the body',
      send: () => both(byBasic('machine'), inBody('machine')),
      ...twice,
    },
    {
      name: 'Basic and a wrong secret in the body',
      send: () => both(byBasic('machine'), inBody('machine', 'x')),
      ...twice,
    },
    { name: 'Basic and an assertion', send: () => both(byBasic('keyed'), assertion('keyed')), ...twice },
    {
      name: 'TE-04 a secret and an assertion',
      send: () => both(inBody('keyed'), assertion('keyed')),
      ...twice,
    },
    {
      name: 'another scheme and a secret',
      send: () => both(inBody('machine'), { authorization: 'Bearer abc' }),
      ...twice,
    },
  ];

  interface Endpoint {
    readonly name: string;
    readonly path: string;
    readonly form?: Fields;
    readonly isGet?: boolean;
    readonly forPublic?: boolean;
  }
  // Unknown parameters are ignored.
  const unknown = { foo: 'bar' };
  const cc = { grant_type: 'client_credentials' };
  const endpoints: Endpoint[] = [
    { name: 'token', path: '/oauth/token', form: cc, forPublic: true },
    {
      name: 'token, with an unknown parameter',
      path: '/oauth/token',
      form: { ...cc, ...unknown },
      forPublic: true,
    },
    { name: 'introspection', path: '/oauth/introspect', form: { token: 'x' } },
    {
      name: 'introspection, with an unknown parameter',
      path: '/oauth/introspect',
      form: { token: 'x', ...unknown },
    },
    { name: 'revocation', path: '/oauth/revoke', form: { token: 'x' }, forPublic: true },
    { name: 'the revocation feed by POST', path: '/oauth/revocations', form: {} },
    { name: 'the revocation feed by GET', path: '/oauth/revocations', isGet: true },
  ];

  async function countOf(): Promise<number> {
    let points = 0;
    for await (const record of server.server.foundations.storage.dump.export()) {
      if (record.kind === 'audit') break;
      if (record.kind === 'counters' && record.key.startsWith('client:')) points += record.points;
    }
    return points;
  }

  async function outcomeOf(request: () => Promise<Response>): Promise<Outcome> {
    const before = await countOf();
    const response = await request();
    const text = await response.text();
    const json = text.startsWith('{') ? JSON.parse(text) : {};
    // What it may do is asked after who it is.
    const wasTaken = response.ok || [400, 403].includes(response.status);
    const verdict = ['invalid_client', 'invalid_request'].includes(json.error)
      ? json.error
      : wasTaken
        ? 'taken'
        : `${response.status} ${text}`;
    assert.equal(response.status === 401, verdict === 'invalid_client', `${response.status} ${text}`);
    const { entries } = await server.server.foundations.storage.audit.page({ limit: 5 });
    const row = entries.find(({ requestId }) => requestId === response.headers.get('x-request-id'));
    return {
      verdict,
      counted: (await countOf()) - before,
      reason: verdict === 'taken' ? undefined : row?.reason,
      client: verdict === 'taken' ? undefined : row?.client,
    };
  }

  function newAddress(): string {
    sent += 1;
    return `10.0.${sent >> 8}.${sent & 255}`;
  }

  /** From an address of its own, so that only this request is counted there. */
  function ask(
    { path, form, isGet }: Endpoint,
    presented: Presented,
    address = newAddress(),
  ): Promise<Response> {
    return fetch(server.issuer + path, {
      method: isGet ? 'GET' : 'POST',
      headers: {
        accept: 'application/json',
        'x-forwarded-for': address,
        ...(presented.authorization !== undefined && { authorization: presented.authorization }),
      },
      ...(!isGet && { body: new URLSearchParams({ ...form, ...presented.form }) }),
    });
  }

  for (const way of ways) {
    test(`${way.name}: ${way.verdict}`, async () => {
      let first: Outcome | undefined;
      for (const endpoint of endpoints) {
        const presented = await way.send();
        if (endpoint.isGet && presented.form) continue;
        const outcome = await outcomeOf(() => ask(endpoint, presented));
        if (way.isPublic && !endpoint.forPublic) {
          assert.equal(outcome.verdict, 'invalid_client', endpoint.name);
          assert.match(outcome.reason ?? '', /does not serve public clients/);
          continue;
        }
        first ??= outcome;
        assert.deepEqual(outcome, first, endpoint.name);
      }
      assert.equal(first?.verdict, way.verdict);
      assert.equal(first?.counted, way.counted ?? 0, 'wrong secrets counted');
      if (way.reason) assert.match(first?.reason ?? '', way.reason);
      if (way.verdict === 'invalid_client') assert.equal(first?.client, way.client);
    });
  }

  test('a POST without a body is from a client that does not say who it is', async () => {
    for (const path of ['/oauth/token', '/oauth/introspect', '/oauth/revoke', '/oauth/revocations']) {
      for (const headers of [{}, { authorization: 'Bearer abc' }]) {
        const outcome = await outcomeOf(() => fetch(server.issuer + path, { method: 'POST', headers }));
        assert.equal(outcome.verdict, 'invalid_client', path);
        assert.equal(outcome.counted, 0, path);
      }
    }
  });

  test('the log names the method used and the one registered where they differ', async () => {
    const methodsOf = async (endpoint: Endpoint, presented: Presented) => {
      const response = await ask(endpoint, presented);
      await response.text();
      const line = lines.findLast(({ requestId }) => requestId === response.headers.get('x-request-id'));
      return [line?.authMethod, line?.registeredAuthMethod];
    };
    for (const endpoint of endpoints.filter(({ isGet }) => !isGet)) {
      const byOther = await methodsOf(endpoint, byBasic('posting'));
      assert.deepEqual(byOther, ['client_secret_basic', 'client_secret_post'], endpoint.name);
      const misfit = await methodsOf(endpoint, inBody('keyed'));
      assert.deepEqual(misfit, ['client_secret_post', 'private_key_jwt'], endpoint.name);
      assert.deepEqual(await methodsOf(endpoint, byBasic('machine')), [undefined, undefined], endpoint.name);
    }
  });

  test('DO-05 wrong secrets are counted together at all endpoints', async () => {
    for (const clientId of ['machine', 'posting', 'keyed', 'spa', 'unknown']) {
      const address = newAddress();
      const guesses = Array.from(
        { length: 20 },
        (_, index) => endpoints[index % endpoints.length] as Endpoint,
      );
      for (const [index, endpoint] of guesses.entries()) {
        const wrong =
          index % 2 === 0 || endpoint.isGet ? byBasic(clientId, 'wrong') : inBody(clientId, 'wrong');
        assert.equal((await ask(endpoint, wrong, address)).status, 401, `${clientId} ${index}`);
      }
      for (const endpoint of endpoints) {
        for (const presented of [byBasic(clientId), ...(endpoint.isGet ? [] : [inBody(clientId)])]) {
          const response = await ask(endpoint, presented, address);
          assert.equal(response.status, 429, `${clientId} ${endpoint.name}`);
          assert.ok(Number(response.headers.get('retry-after')) > 0);
        }
      }
    }
  });

  /** Where older APIs take an application's own id and secret. */
  const faces: Readonly<Record<string, (id: string, secret: string) => [path: string, init: RequestInit]>> = {
    'Fusio by Basic': (id, secret) => [
      '/authorization/token',
      { headers: { authorization: plainBasic(id, secret) }, body: new URLSearchParams(cc) },
    ],
    'Usergrid in the body': (id, secret) => [
      '/management/token',
      {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...cc, client_id: id, client_secret: secret }),
      },
    ],
  };
  const pairs: [name: string, id: string, secret: string, verdict: 'taken' | 'refused', reason?: RegExp][] = [
    ['the secret', 'machine', secretOf('machine'), 'taken'],
    ['the secret of one registered for the body', 'posting', secretOf('posting'), 'taken'],
    ['a secret that cannot be decoded', 'tricky', TRICKY, 'taken'],
    ['a secret that reads otherwise when decoded', 'encodable', ENCODABLE, 'taken'],
    ['a wrong secret', 'machine', 'wrong', 'refused', /invalid secret/],
    ['an unknown client', 'unknown', 'x', 'refused', /client not found/],
    ['a secret for a client with keys', 'keyed', 'x', 'refused', /the client used/],
    ['a secret for a public client', 'spa', 'x', 'refused', /the client used/],
  ];
  for (const [face, toRequest] of Object.entries(faces)) {
    test(`${face}: the same verdicts, counts and reasons`, async () => {
      for (const [name, id, secret, verdict, reason] of pairs) {
        const [path, init] = toRequest(id, secret);
        const before = await countOf();
        const headers = { ...init.headers, 'x-forwarded-for': newAddress() };
        const response = await fetch(server.issuer + path, { method: 'POST', ...init, headers });
        assert.equal(
          response.ok,
          verdict === 'taken',
          `${name}: ${response.status} ${await response.text()}`,
        );
        assert.equal((await countOf()) - before, verdict === 'taken' ? 0 : 1, name);
        if (!reason) continue;
        const { entries } = await server.server.foundations.storage.audit.page({ limit: 5 });
        const row = entries.find(({ requestId }) => requestId === response.headers.get('x-request-id'));
        assert.match(row?.reason ?? '', reason, name);
      }
    });
  }
});
