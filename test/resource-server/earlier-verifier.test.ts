/** APIs that were not updated read tokens with limited rights too: what they do not understand must allow nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { toAuthorizationDetails } from '../../src/permissions/authorization-details.ts';
import {
  ACTIONS,
  createPermissions,
  namedMasks,
  type Permissions,
} from '../../src/permissions/permissions.ts';
import { toPermissionsJson } from '../../src/permissions/permissions-json.ts';
import { RIGHTS_CLAIMS, toTokenClaims } from '../../src/permissions/token-claims.ts';
import { AccessError, createVerifier } from '../../src/resource-server/index.ts';
import { limitedPermissions } from '../permissions/arbitraries.ts';
import fc from '../support/properties.ts';
import { until } from '../support/until.ts';
import {
  createVerifier as createEarlierVerifier,
  type EarlierVerifier,
} from './fixtures/earlier-verifier.js';

const RESOURCE = 'https://api.example/';
const TABLES = ['orders', 'products', '注文', 'invoices', 'later', '*'];
const DEVICES = { type: 'devicehive', locations: [RESOURCE], actions: ['GetDevice'], networks: ['1'] };

const inAnswer = (rights: Permissions) => ({
  permissions: toPermissionsJson(rights),
  authorization_details: toAuthorizationDetails(rights, RESOURCE),
});

describe('a verifier that knows no limits', () => {
  let server: Server;
  let issuer: string;
  let sign: (claims: object, typ?: string) => Promise<string>;
  const answers = new Map<string, object>();
  const verifiers: EarlierVerifier[] = [];

  before(async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const key = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' };
    sign = (claims, typ = 'at+jwt') =>
      new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'one', typ })
        .setIssuer(issuer)
        .setIssuedAt()
        .sign(privateKey);
    server = createServer(async (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', issuer);
      if (pathname === '/oauth/jwks') return response.end(JSON.stringify({ keys: [key] }));
      if (pathname === '/oauth/introspect') {
        let body = '';
        for await (const chunk of request) body += chunk;
        return response.end(JSON.stringify(answers.get(new URLSearchParams(body).get('token') ?? '') ?? {}));
      }
      const at = searchParams.get('after') ?? '0';
      const page = { after: at, next: at, nodes: [], more: false, reset: false, resources: [RESOURCE] };
      const nonce = searchParams.get('nonce');
      return response.end(await sign({ ...page, nonce, aud: 'api' }, 'revocations+jwt'));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for (const create of [createEarlierVerifier, createVerifier]) {
      const made = create({ issuer, resource: RESOURCE, clientId: 'api', clientSecret: 'secret' });
      verifiers.push(made);
      const token = await sign({ ...common, ...toTokenClaims(createPermissions([]), undefined, RESOURCE) });
      await until('it knows all revocations', async () => (await allowedBy(made, token)) !== 'unavailable');
    }
  });
  after(() => {
    for (const verifier of verifiers) verifier.close();
    server.closeAllConnections();
    server.close();
  });

  const common = {
    sub: 'client:x',
    client_id: 'x',
    aud: RESOURCE,
    jti: 'token-1',
    anc: ['login-1'],
    as_of: Date.now(),
    exp: Math.floor(Date.now() / 1000) + 3600,
    scope: '',
  };

  /** @returns the cells, or why the token is refused */
  async function allowedBy(verifier: EarlierVerifier, token: string): Promise<string[] | string> {
    try {
      const { permissions } = await verifier.verify(token);
      return TABLES.flatMap((table) =>
        ACTIONS.filter((action) => permissions.allows(table, action)).map((action) => `${table}:${action}`),
      );
    } catch (error) {
      assert.ok(error instanceof AccessError || (error as Error).name === 'AccessError', String(error));
      return (error as AccessError).code;
    }
  }

  let opaque = 0;
  /** The token in every form in which the authorization server says what it may. */
  async function everyForm(rights: Permissions): Promise<string[]> {
    const devices = {
      authorization_details: [
        DEVICES,
        ...(toTokenClaims(rights, undefined, RESOURCE).authorization_details ?? []),
      ],
    };
    const claims = [
      toTokenClaims(rights, undefined, RESOURCE),
      ...RIGHTS_CLAIMS.map((claim) => toTokenClaims(rights, undefined, RESOURCE, [claim])),
      { ...toTokenClaims(rights, undefined, RESOURCE), ...devices },
      inAnswer(rights),
    ];
    opaque += 1;
    const asked = `opaque_${opaque}`;
    answers.set(asked, { ...common, ...inAnswer(rights), active: true, token_type: 'Bearer' });
    return [asked, ...(await Promise.all(claims.map((each) => sign({ ...common, ...each }))))];
  }

  test('it allows no cell that the library refuses, whatever the form of the token', async () => {
    let [allowed, refused] = [0, 0];
    await fc.assert(
      fc.asyncProperty(limitedPermissions, async (rights) => {
        for (const token of await everyForm(rights)) {
          const [earlier, current] = await Promise.all(verifiers.map((each) => allowedBy(each, token)));
          assert.ok(Array.isArray(current), `${current}`);
          if (!Array.isArray(earlier)) refused += 1;
          else {
            allowed += earlier.length;
            assert.deepEqual(
              earlier.filter((cell) => !current.includes(cell)),
              [],
            );
          }
        }
      }),
      { numRuns: 300 },
    );
    assert.ok(allowed > 1_000 && refused > 200, `${allowed} cells allowed, ${refused} tokens refused`);
  });

  test('the library reads tokens of an earlier server as it did', async () => {
    await fc.assert(
      fc.asyncProperty(limitedPermissions, async (any) => {
        const named = [...namedMasks(any)].filter(([table]) => table !== '*');
        const rights = any.isAdmin ? any : createPermissions(named);
        const token = await sign({ ...common, ...inAnswer(rights) });
        const [earlier, current] = await Promise.all(verifiers.map((each) => allowedBy(each, token)));
        assert.deepEqual(current, earlier);
      }),
      { numRuns: 100 },
    );
  });
});
