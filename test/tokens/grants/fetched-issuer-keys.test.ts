/** Keys of an issuer at its `jwksUri`: a server process fetches them over TLS, from hosts that it may connect to. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ChildServer, createChildServer } from '../../faults/child-server.ts';
import { storageForTests } from '../../support/mongodb.ts';
import { basic, secretOf } from '../../support/server.ts';
import { makeCertificate } from '../../support/tls.ts';
import { createIssuer, IDP, JWT_BEARER, keys, trustIssuers } from './assertions.ts';

describe('keys at a jwksUri', () => {
  let folder: string;
  let idp: Server;
  let server: ChildServer;
  let asked: string[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'grantable-idp-'));
    const { keyFile, certFile } = await makeCertificate(folder);
    const [key, cert] = await Promise.all([readFile(keyFile), readFile(certFile)]);
    idp = createServer({ key, cert }, ({ url = '' }, response) => {
      asked.push(url);
      if (url === '/moved') return response.writeHead(302, { location: '/keys' }).end();
      const body = JSON.stringify({ keys: [keys.acme.jwk] });
      return response.writeHead(200, { 'content-type': 'application/json' }).end(body);
    });
    idp.listen(0, '127.0.0.1');
    await once(idp, 'listening');
    const host = `127.0.0.1:${(idp.address() as AddressInfo).port}`;
    server = await createChildServer({
      env: {
        ...(await storageForTests()),
        GRANTABLE_AGENT_HOSTS: host,
        NODE_EXTRA_CA_CERTS: certFile,
      },
    });
    const file = join(server.dataDir, 'apply.json');
    const fixture = JSON.parse(await readFile(file, 'utf8'));
    trustIssuers(fixture);
    fixture.organizations[0].identityIssuers = [
      { issuer: IDP, jwksUri: `https://${host}/keys` },
      { issuer: `${IDP}/moved`, jwksUri: `https://${host}/moved` },
      { issuer: `${IDP}/inside`, jwksUri: 'https://127.0.0.1:1/keys' },
    ];
    await writeFile(file, JSON.stringify(fixture));
    await server.start();
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    idp.close();
    idp.closeAllConnections();
    await rm(folder, { recursive: true });
  });

  const ask = async (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) => {
    const assertion = await createIssuer({ issuer: server.issuer, clock: { offset: 0 } }).assert(
      claims,
      header,
    );
    const response = await fetch(`${server.issuer}/oauth/token`, {
      method: 'POST',
      headers: { authorization: basic('desk', secretOf('desk')) },
      body: new URLSearchParams({ grant_type: JWT_BEARER, assertion }),
    });
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  };

  test('the keys are fetched once for many assertions', async () => {
    asked = [];
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask()));
    assert.deepEqual(
      answers.map(({ status }) => status),
      Array(10).fill(200),
    );
    assert.deepEqual(asked, ['/keys']);
  });

  test('wrong assertions and unknown keys cause no further requests', async () => {
    await ask();
    asked = [];
    assert.equal((await ask({ sub: 'U0' })).json.error, 'invalid_grant');
    assert.equal((await ask({ aud: 'https://other.example' })).json.error, 'invalid_grant');
    for (let index = 0; index < 5; index += 1) {
      assert.equal((await ask({}, { kid: `unknown-${index}` })).json.error, 'invalid_grant');
    }
    assert.deepEqual(asked, []);
  });

  test('a redirect is not followed', async () => {
    asked = [];
    const { status, json } = await ask({ iss: `${IDP}/moved` });
    assert.equal(status, 503);
    assert.equal(json.error, 'temporarily_unavailable');
    assert.deepEqual(asked, ['/moved']);
  });

  test('a private address that is not listed is not connected to', async () => {
    const { status, json } = await ask({ iss: `${IDP}/inside` });
    assert.equal(status, 503);
    assert.equal(json.error, 'temporarily_unavailable');
  });
});
