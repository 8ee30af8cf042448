import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { CompactSign, exportJWK, generateKeyPair, SignJWT } from 'jose';
import {
  AccessError,
  createVerifier,
  type VerifiedToken,
  type Verifier,
} from '../../src/resource-server/index.ts';
import { withVerdicts } from '../support/plain-verdicts.ts';
import { until } from '../support/until.ts';
import {
  type Case,
  claimsText,
  createdRow,
  readVectors,
  readWorld,
  type VectorTable,
  type VectorToken,
  vectorFiles,
} from '../support/vectors.ts';

const world = readWorld();
const types = Object.fromEntries(Object.entries(world.tables).map(([id, { columns }]) => [id, columns]));

/** An authorization server that says what the vectors say. */
async function startIssuer() {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const key = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
  const answers = new Map<string, string>();
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const chunks = await Array.fromAsync(request);
    if (pathname === '/oauth/jwks') return response.end(JSON.stringify({ keys: [key] }));
    if (pathname === '/oauth/introspect') {
      const token = new URLSearchParams(Buffer.concat(chunks).toString()).get('token') ?? '';
      return response.end(answers.get(token) ?? '{"active": false}');
    }
    const cursor = searchParams.get('after') ?? '0';
    const page = {
      resources: [world.resource],
      after: cursor,
      next: cursor,
      more: false,
      reset: false,
      nodes: [],
    };
    const signed = await new SignJWT({ ...page, nonce: searchParams.get('nonce') })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'revocations+jwt' })
      .setIssuer(world.issuer)
      .setAudience('shop-api')
      .sign(privateKey);
    return response.end(signed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async spell(token: VectorToken): Promise<string> {
      const text = claimsText(world, token);
      if (token.form === 'introspection') {
        const opaque = `opaque-${answers.size}`;
        answers.set(opaque, text);
        return opaque;
      }
      return new CompactSign(new TextEncoder().encode(text))
        .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: token.typ ?? 'at+jwt' })
        .sign(privateKey);
    },
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** @returns undefined if it throws what a refused request gets */
function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    assert.ok(error instanceof AccessError, String(error));
    return undefined;
  }
}

/** The case with the verdicts that the token has. */
function judge(given: Case, token: VerifiedToken | undefined): Partial<Case> {
  const table = world.tables[given.table] as VectorTable;
  const access = token?.access;
  if (given.action === 'read') {
    const rows = Object.entries(table.rows).flatMap(([name, row]) => {
      const [visible] = access?.filter(given.table, 'read', [row]) ?? [];
      return visible ? [[name, Object.keys(visible)]] : [];
    });
    return { rows: Object.fromEntries(rows) };
  }
  const demand = () => {
    if (!access) return false;
    if (given.action === 'create') {
      access.demandCreate(given.table, createdRow(table, given.set), Object.keys(given.set));
    } else {
      const row = table.rows[given.row] as object;
      if (given.action === 'update') access.demandUpdate(given.table, row, given.set);
      else access.demandDelete(given.table, row);
    }
    return true;
  };
  return { allowed: unlessRefused(demand) ?? false };
}

describe('the verdicts of docs/vectors', () => {
  let issuer: Awaited<ReturnType<typeof startIssuer>>;
  let verifier: Verifier;
  before(async () => {
    issuer = await startIssuer();
    verifier = createVerifier({
      issuer: world.issuer,
      backChannel: issuer.url,
      resource: world.resource,
      clientId: 'shop-api',
      clientSecret: 'secret',
      tables: types,
      maxFeedSilence: 3600,
      now: () => world.now * 1000,
    });
    const [good] = readVectors('tokens.json') as [VectorToken];
    const token = await issuer.spell(good);
    await until('the feed was read', () => verifier.verify(token).then(Boolean, () => false));
  });
  after(() => {
    verifier.close();
    issuer.stop();
  });

  for (const file of vectorFiles()) {
    test(`createVerifier gives those of ${file}`, async () => {
      for (const vector of readVectors(file)) {
        const spelled = await issuer.spell(vector);
        const token = await verifier.verify(spelled).catch((error) => {
          assert.ok(error instanceof AccessError, `${vector.name}: ${error}`);
          return undefined;
        });
        const verdict = token ? 'accepted' : 'refused';
        if (vector.verdict !== 'either') assert.equal(verdict, vector.verdict, vector.name);
        else if (!token) continue;
        for (const given of vector.cases) {
          const expected = given.action === 'read' ? { rows: given.rows } : { allowed: given.allowed };
          assert.deepEqual(judge(given, token), expected, `${vector.name}: ${JSON.stringify(given)}`);
        }
      }
    });
    test(`a plain reading of the rules gives those of ${file}`, () => {
      const vectors = readVectors(file);
      assert.ok(vectors.length > 20);
      assert.equal(new Set(vectors.map(({ name }) => name)).size, vectors.length);
      assert.deepEqual(
        vectors.map((vector) => withVerdicts(vector, world)),
        vectors,
      );
    });
  }
});
