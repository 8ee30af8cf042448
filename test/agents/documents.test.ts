import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openSqliteStorage } from '../../adapters/storage/sqlite/index.ts';
import { createDocuments, type Documents, MAX_DOCUMENT } from '../../src/agents/documents.ts';
import { loadConfig } from '../../src/config/load.ts';
import { MetadataRejected, TooManyAttempts, Unavailable } from '../../src/errors/domain.ts';
import { createThrottle } from '../../src/http/throttle.ts';
import { createGetJson, type FetchedJson, FetchFailed } from '../../src/outgoing/get-json.ts';
import { createTargets } from '../../src/outgoing/targets.ts';
import type { Artifact, Storage } from '../../src/storage/contract.ts';
import { answerJson, startPublisher } from '../outgoing/publisher.ts';
import { resolving } from '../outgoing/resolving.ts';

const HOME = '198.51.100.7';
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

const documentAt = (clientId: string, changes: Readonly<Record<string, unknown>> = {}) => ({
  client_id: clientId,
  client_name: 'Agent',
  redirect_uris: ['https://agent.example/callback'],
  ...changes,
});

const publicJwk = () =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });

/** A clock that stands still until it is moved. */
async function openStore(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-documents-'));
  const storage = await openSqliteStorage({ path: join(folder, 'grantable.db') });
  t.after(async () => {
    await storage.close();
    await rm(folder, { recursive: true });
  });
  const clock = { now: Date.UTC(2030, 0, 1) };
  const now = () => clock.now;
  const { throttle: limits } = loadConfig({}, { cwd: folder });
  const throttle = createThrottle({ counters: storage.counters, limits, now });
  return { storage, clock, now, throttle };
}

/** Documents over a publisher of this machine. @param timeoutMs for a document and its keys */
async function start(t: TestContext, timeoutMs = 10_000) {
  const { storage, clock, now, throttle } = await openStore(t);
  const publisher = await startPublisher();
  t.after(() => publisher[Symbol.asyncDispose]());
  const addresses = { 'agent.example': ['127.0.0.1'], 'keys.example': ['127.0.0.1'] };
  const targets = createTargets({
    listed: publisher.hosts,
    option: 'GRANTABLE_AGENT_HOSTS',
    resolve: resolving({ ...addresses, 'inside.example': ['10.0.0.1'] }),
  });
  const getJson = createGetJson({ targets, maxBytes: MAX_DOCUMENT, ca: publisher.ca, now });
  const create = (): Documents =>
    createDocuments({
      artifacts: storage.artifacts,
      getJson,
      limit: throttle.agentDocument,
      now,
      timeoutMs,
    });
  const id = publisher.urlOf('/agent.json');
  publisher.answer = answerJson(documentAt(id));
  return {
    publisher,
    storage,
    id,
    documents: create(),
    other: create(),
    pass: (ms: number) => {
      clock.now += ms;
    },
  };
}

/** Counters and artifacts as maps, to be looked at. */
function createMaps() {
  const counters = new Map<string, { points: number; expiresAt: number }>();
  const artifacts = new Map<string, Artifact>();
  const store: Pick<Storage, 'counters' | 'artifacts'> = {
    counters: {
      async increment(key, points, windowMs, now) {
        const running = counters.get(key);
        const isRunning = running !== undefined && running.expiresAt > now;
        const window = isRunning
          ? { ...running, points: running.points + points }
          : { points, expiresAt: now + windowMs };
        counters.set(key, window);
        return window;
      },
      get: async (key) => counters.get(key),
      set: async (key, points, expiresAt) => void counters.set(key, { points, expiresAt }),
      remove: async (key) => void counters.delete(key),
    },
    artifacts: {
      find: async (_, key, now) => {
        const artifact = artifacts.get(key.toString('hex'));
        return artifact && artifact.expiresAt > now ? artifact : undefined;
      },
      upsert: async (_, key, artifact) => void artifacts.set(key.toString('hex'), artifact),
    } as Storage['artifacts'],
  };
  return { counters, artifacts, store };
}

/** Without a network and a file. @param get what an URL has */
function startWithout(get: (url: string) => Promise<FetchedJson>) {
  const { counters, artifacts, store } = createMaps();
  const clock = { now: Date.UTC(2030, 0, 1) };
  const now = () => clock.now;
  const { throttle: limits } = loadConfig({}, { cwd: '/' });
  const throttle = createThrottle({ counters: store.counters, limits, now });
  const fetched: string[] = [];
  const documents = createDocuments({
    artifacts: store.artifacts,
    getJson: (url) => {
      fetched.push(url);
      return get(url);
    },
    limit: throttle.agentDocument,
    now,
  });
  return { documents, fetched, clock, counters, artifacts };
}

const isRejected =
  (message: RegExp, reason?: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof MetadataRejected, String(error));
    assert.match(error.told, message);
    if (reason) assert.match(error.reason ?? '', reason);
    return true;
  };

test('a document is fetched once and then found by all processes', async (t) => {
  const { documents, other, publisher, id } = await start(t);
  assert.equal(await documents.find(id), undefined);
  const facts = await documents.resolve(id, HOME);
  assert.deepEqual([facts.clientId, facts.name], [id, 'Agent']);
  assert.deepEqual(await other.find(id), facts);
  assert.deepEqual(await other.resolve(id, HOME), facts);
  assert.equal(publisher.requests.length, 1);
});

test('a document is fetched again when it is not fresh', async (t) => {
  const { documents, other, publisher, id, pass } = await start(t);
  await documents.resolve(id, HOME);
  publisher.answer = answerJson(documentAt(id, { client_name: 'Renamed' }));
  pass(5 * MINUTE - 1);
  assert.equal((await other.resolve(id, HOME)).name, 'Agent');
  pass(1);
  assert.equal((await other.resolve(id, HOME)).name, 'Renamed');
  assert.equal((await documents.find(id))?.name, 'Renamed');
});

test('a document is fresh as its headers say, from a minute to an hour', async (t) => {
  const { documents, publisher, id, pass } = await start(t);
  for (const [headers, ms] of [
    [{ 'cache-control': 'no-store' }, MINUTE],
    [{ 'cache-control': 'max-age=90' }, 90 * SECOND],
    [{ 'cache-control': 'max-age=600', age: '300' }, 5 * MINUTE],
    [{ 'cache-control': 'max-age=31536000' }, 60 * MINUTE],
    [{ expires: '0' }, MINUTE],
  ] as const) {
    publisher.answer = answerJson(documentAt(id), headers);
    publisher.requests.length = 0;
    await documents.resolve(id, HOME);
    pass(ms - 1);
    await documents.resolve(id, HOME);
    assert.equal(publisher.requests.length, 1, JSON.stringify(headers));
    pass(1);
  }
});

test('a login that began with a document finds it for an hour longer', async (t) => {
  const { documents, id, pass } = await start(t);
  await documents.resolve(id, HOME);
  pass(65 * MINUTE - 1);
  assert.equal((await documents.find(id))?.name, 'Agent');
  pass(1);
  assert.equal(await documents.find(id), undefined);
});

test('a clock that was set back does not keep a document fresh', async (t) => {
  const { documents, publisher, id, pass } = await start(t);
  await documents.resolve(id, HOME);
  pass(-24 * 60 * MINUTE);
  await documents.resolve(id, HOME);
  assert.equal(publisher.requests.length, 2);
});

test('parallel requests for one document share a fetch', async (t) => {
  const { documents, publisher, id } = await start(t);
  const all = await Promise.all(Array.from({ length: 20 }, () => documents.resolve(id, HOME)));
  assert.equal(new Set(all.map(({ name }) => name)).size, 1);
  assert.equal(publisher.requests.length, 1);
});

test('a failure is remembered for a minute and not stored', async (t) => {
  const { documents, publisher, id, pass } = await start(t);
  publisher.answer = (_, response) => void response.writeHead(404).end();
  const refused = isRejected(/^"https:\/\/agent\.example:\d+\/agent\.json" cannot be fetched: .* 404/);
  await assert.rejects(documents.resolve(id, HOME), refused);
  publisher.answer = answerJson(documentAt(id));
  pass(MINUTE - 1);
  await assert.rejects(documents.resolve(id, HOME), refused);
  assert.equal(await documents.find(id), undefined);
  assert.equal(publisher.requests.length, 1);
  pass(1);
  assert.equal((await documents.resolve(id, HOME)).name, 'Agent');
});

test('a document that turned bad is refused, and found until it expires', async (t) => {
  const { documents, publisher, id, pass } = await start(t);
  await documents.resolve(id, HOME);
  pass(5 * MINUTE);
  publisher.answer = answerJson(documentAt(`${id}x`));
  const refused = isRejected(/client_id is .*: it must be the URL of the document/);
  await assert.rejects(documents.resolve(id, HOME), refused);
  await assert.rejects(documents.resolve(id, HOME), refused);
  assert.equal(publisher.requests.length, 2);
  assert.equal((await documents.find(id))?.name, 'Agent');
});

test('a remembered failure is the error that it was', async (t) => {
  const { documents, publisher, id } = await start(t);
  publisher.answer = answerJson(documentAt(id, { redirect_uris: ['javascript:alert(1)'] }));
  const refused = (error: unknown): boolean =>
    isRejected(/scheme javascript/)(error) && (error as MetadataRejected).error === 'invalid_redirect_uri';
  await assert.rejects(documents.resolve(id, HOME), refused);
  await assert.rejects(documents.resolve(id, HOME), refused);
});

test('CN-01 a stranger is told the same of each host that does not answer', async (t) => {
  const { documents, publisher } = await start(t);
  const told = /cannot be fetched: an https server at a public address must answer in time\.$/;
  const urlOf = (name: string) => publisher.urlOf('/agent.json', name);
  await assert.rejects(
    documents.resolve(urlOf('inside.example'), HOME),
    isRejected(told, /inside\.example, which is not at a public address, and GRANTABLE_AGENT_HOSTS/),
  );
  await assert.rejects(
    documents.resolve(urlOf('unknown.example'), HOME),
    isRejected(told, /ENOTFOUND unknown\.example/),
  );
  await assert.rejects(
    documents.resolve('https://agent.example:1/agent.json', HOME),
    isRejected(told, /GRANTABLE_AGENT_HOSTS/),
  );
  assert.deepEqual(publisher.requests, []);
});

test('keys come from jwks_uri with the same care and for the same point', async (t) => {
  const { documents, publisher, id, pass } = await start(t);
  const [one, two] = [publicJwk(), publicJwk()];
  let keys: unknown = { keys: [one] };
  publisher.answer = (request, response) => {
    const json =
      request.url === '/keys'
        ? keys
        : documentAt(id, {
            token_endpoint_auth_method: 'private_key_jwt',
            jwks_uri: publisher.urlOf('/keys', 'keys.example'),
          });
    const seconds = request.url === '/keys' ? 60 : 3_600;
    answerJson(json, { 'cache-control': `max-age=${seconds}` })(request, response);
  };
  assert.deepEqual((await documents.resolve(id, HOME)).jwks, { keys: [one] });
  keys = { keys: [two] };
  pass(MINUTE - 1);
  assert.deepEqual((await documents.resolve(id, HOME)).jwks, { keys: [one] });
  pass(1);
  assert.deepEqual((await documents.resolve(id, HOME)).jwks, { keys: [two] });
  assert.deepEqual((await documents.find(id))?.jwks, { keys: [two] });
  // Its 30 points reach for 28 more.
  keys = { keys: [] };
  for (let fetch = 2; fetch < 30; fetch += 1) {
    await assert.rejects(documents.resolve(`${id}?${fetch}`, HOME), MetadataRejected);
  }
  await assert.rejects(documents.resolve(`${id}?30`, HOME), TooManyAttempts);
});

test('CN-01 a jwks_uri leads to no private address and to no private key', async (t) => {
  const { documents, publisher } = await start(t);
  const secret = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  publisher.answer = (request, response) => {
    const url = new URL(request.url ?? '', publisher.urlOf('/'));
    if (url.pathname === '/private') return answerJson({ keys: [secret] })(request, response);
    if (url.pathname === '/symmetric')
      return answerJson({ keys: [{ kty: 'oct', k: 'c2VjcmV0' }] })(request, response);
    if (url.pathname === '/redirect')
      return void response.writeHead(302, { location: 'https://10.0.0.1/' }).end();
    const said = { token_endpoint_auth_method: 'private_key_jwt', jwks_uri: url.searchParams.get('keys') };
    answerJson(documentAt(url.href, said))(request, response);
  };
  const refused: readonly (readonly [string, RegExp])[] = [
    [publisher.urlOf('/', 'inside.example'), /must answer in time/],
    ['https://10.0.0.1/', /not at a public address/],
    ['https://2130706433/', /not at a public address/],
    ['https://[::ffff:a9fe:a9fe]/', /not at a public address/],
    ['https://localhost/', /must answer in time/],
    ['http://agent.example/', /it must be an https URL/],
    ['file:///etc/passwd', /it must be an https URL/],
    [publisher.urlOf('/private'), /key 1 is a private key/],
    [publisher.urlOf('/symmetric'), /key 1 is a private key/],
    [publisher.urlOf('/redirect'), /its status is 302/],
  ];
  for (const [keys, problem] of refused)
    await assert.rejects(
      documents.resolve(publisher.urlOf(`/agent?keys=${encodeURIComponent(keys)}`), HOME),
      isRejected(problem),
    );
});

test('a document and its keys share one time', async (t) => {
  const { documents, publisher, id } = await start(t, 300);
  publisher.answer = (request, response) => {
    if (request.url === '/keys') return;
    const said = { token_endpoint_auth_method: 'private_key_jwt', jwks_uri: publisher.urlOf('/keys') };
    answerJson(documentAt(id, said))(request, response);
  };
  await assert.rejects(documents.resolve(id, HOME), isRejected(/\/keys" cannot be fetched: .* in time/));
});

test('DO-05 an address gets 30 fetches in ten minutes, remembered ones are free', async () => {
  const { documents, fetched, clock } = startWithout((url) =>
    Promise.reject(new FetchFailed(url, 'it is not there')),
  );
  const idOf = (index: number) => `https://agent-${index}.example/a`;
  for (let index = 0; index < 30; index += 1)
    await assert.rejects(documents.resolve(idOf(index), HOME), MetadataRejected);
  for (let round = 0; round < 5; round += 1)
    await assert.rejects(documents.resolve(idOf(0), HOME), MetadataRejected);
  await assert.rejects(documents.resolve(idOf(30), HOME), TooManyAttempts);
  await assert.rejects(documents.resolve(idOf(30), '198.51.100.8'), MetadataRejected);
  assert.equal(fetched.length, 31);
  clock.now += 10 * MINUTE;
  await assert.rejects(documents.resolve(idOf(31), HOME), MetadataRejected);
});

test('DO-05 a host gets 60 fetches, and those of known agents are not counted', async () => {
  const known = 'https://agent.example/known';
  const { documents, clock } = startWithout(async (url) => {
    if (url !== known) throw new FetchFailed(url, 'it is not there');
    return { json: documentAt(url), freshSeconds: 60 };
  });
  await documents.resolve(known, HOME);
  const flood = async (index: number) =>
    documents.resolve(`https://agent.example/${index}`, `198.51.100.${index}`);
  for (let index = 0; index < 59; index += 1) await assert.rejects(flood(index), MetadataRejected);
  await assert.rejects(flood(60), TooManyAttempts);
  await assert.rejects(
    documents.resolve('https://agent.example/established', HOME, true),
    isRejected(/it is not there/),
  );
  clock.now += MINUTE;
  assert.equal((await documents.resolve(known, HOME)).name, 'Agent');
});

test('DO-09 10,000 ids of a stranger leave nothing in the store but 31 counts', async () => {
  const { documents, fetched, artifacts, counters } = startWithout((url) =>
    Promise.reject(new FetchFailed(url, 'it is not there')),
  );
  const errors = new Map<string, number>();
  for (let index = 0; index < 10_000; index += 1) {
    const id = `https://agent-${index}.example/${'a'.repeat(400)}`;
    const error: Error = await documents.resolve(id, HOME).then(
      () => assert.fail(id),
      (thrown) => thrown,
    );
    errors.set(error.name, (errors.get(error.name) ?? 0) + 1);
  }
  assert.deepEqual(Object.fromEntries(errors), { MetadataRejected: 30, TooManyAttempts: 9_970 });
  assert.equal(fetched.length, 30);
  // Those of the address and of 30 hosts, which expire.
  assert.deepEqual([artifacts.size, counters.size], [0, 31]);
});

test('DO-09 ids of many addresses fill a bounded memory of failures', async () => {
  const { documents, fetched } = startWithout((url) =>
    Promise.reject(new FetchFailed(url, 'it is not there')),
  );
  const ask = (index: number) =>
    assert.rejects(
      documents.resolve(
        `https://agent-${index}.example/a`,
        `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
      ),
      MetadataRejected,
    );
  for (let index = 0; index <= 1_000; index += 1) await ask(index);
  await ask(1_000);
  assert.equal(fetched.length, 1_001);
  // The oldest was forgotten.
  await ask(0);
  assert.equal(fetched.length, 1_002);
});

test('a process fetches at most 100 documents at a time', async () => {
  const waiting: (() => void)[] = [];
  const { documents } = startWithout(
    (url) =>
      new Promise((resolve) => {
        waiting.push(() => resolve({ json: documentAt(url), freshSeconds: undefined }));
      }),
  );
  const ask = (index: number) => documents.resolve(`https://agent-${index}.example/a`, `198.51.100.${index}`);
  const asked = Array.from({ length: 101 }, (_, index) => ask(index));
  const refused = await Promise.any(
    asked.map((each) =>
      each.then(
        () => Promise.reject(),
        (error) => error,
      ),
    ),
  );
  assert.ok(refused instanceof Unavailable, String(refused));
  for (const answer of waiting) answer();
  const settled = await Promise.allSettled(asked);
  assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 100);
});
