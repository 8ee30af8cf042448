/** Requests right after a change of the directory, with many applications. At full scale: how long one blocks the loop. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { findInsecureSettings } from '../../src/apply/insecure-settings.ts';
import type { Application, UniqueKey } from '../../src/nouns/index.ts';
import { startServer, type TestServer } from '../support/server.ts';

const FIGURES = process.env.GRANTABLE_TEST_FIGURES !== undefined;
const APPLICATIONS = Number(process.env.GRANTABLE_TEST_APPLICATIONS ?? (FIGURES ? 100_000 : 3_000));
const BATCH = 1_000;
/** Measurements of each request. */
const TIMES = FIGURES ? 15 : 3;
/** A request reads an application, its organization, its resource and such, however many there are. */
const MOST_NOUNS_READ = 12;
const LONGEST_TURN_MS = 5;

/** Processor time of this thread from one turn of the loop to the next, the longest of them. Milliseconds. */
async function longestTurnDuring(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let running = true;
  let last = process.threadCpuUsage();
  const tick = () => {
    const { user, system } = process.threadCpuUsage(last);
    longest = Math.max(longest, (user + system) / 1000);
    last = process.threadCpuUsage();
    if (running) setImmediate(tick);
  };
  setImmediate(tick);
  await work();
  // The turn in which it ended counts too.
  await new Promise((resolve) => setImmediate(resolve));
  running = false;
  return longest;
}

describe(`the directory with ${APPLICATIONS} applications`, () => {
  let server: TestServer;
  let big: string;
  let nounsRead = 0;

  before(async () => {
    server = await startServer({
      fixture: ({ organizations: [acme, other] }) => {
        acme.faces = { fusio: { application: 'shop' } };
        other.faces = { usergrid: {} };
      },
    });
    const { storage } = server.server.foundations;
    const { applications, organizations } = storage.directory;
    const template = (await applications.findBy('clientId', 'other-shop')) as Application;
    big = template.organization;
    const { number: _, version: __, ...rest } = template;
    for (let made = 0; made < APPLICATIONS; made += BATCH) {
      await Promise.all(
        Array.from({ length: BATCH }, async (_each, index) => {
          const id = randomUUID();
          const name = `crowd-${made + index}`;
          const allowedOrigins = [`https://${name}.example`];
          await applications.insert({
            ...rest,
            id,
            name,
            clientId: name,
            realm: `application:${id}`,
            allowedOrigins,
          });
        }),
      );
    }
    for (const collection of [applications, organizations, storage.directory.resources]) {
      const { page, get, findBy } = collection as typeof applications;
      const count = async <T>(answer: Promise<T>, countOf: (found: T) => number): Promise<T> => {
        const found = await answer;
        nounsRead += countOf(found);
        return found;
      };
      Object.assign(collection, {
        page: (options: Parameters<typeof page>[0]) => count(page(options), ({ items }) => items.length),
        get: (id: string) => count(get(id), () => 1),
        findBy: (key: UniqueKey<'applications'>, value: string) => count(findBy(key, value), () => 1),
      });
    }
  });
  after(() => server[Symbol.asyncDispose]());

  let renamed = 0;
  /** Of one application, in the organization that has few, or in the one that has most. */
  async function change(clientId: string): Promise<void> {
    const { applications } = server.server.foundations.storage.directory;
    const application = (await applications.findBy('clientId', clientId)) as Application;
    await applications.replace({ ...application, homepage: `https://${renamed++}.example` });
  }

  const get = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const answer = await fetch(server.issuer + path, init);
    await answer.arrayBuffer();
    return answer;
  };
  const preflight = (origin: string) =>
    get('/oauth/token', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    });

  const requests: Readonly<Record<string, () => Promise<unknown>>> = {
    metadata: async () => {
      const answer = await get('/.well-known/oauth-authorization-server');
      assert.equal(answer.status, 200);
    },
    'a preflight of a listed origin': async () => {
      const answer = await preflight('https://crowd-7.example');
      assert.equal(answer.headers.get('access-control-allow-origin'), 'https://crowd-7.example');
    },
    'a preflight of another origin': async () => {
      const answer = await preflight('https://nobody.example');
      assert.equal(answer.headers.get('access-control-allow-origin'), null);
    },
    'a token': async () => assert.equal((await server.token('machine')).status, 200),
    'a token in the big organization': async () =>
      assert.equal((await server.token('other-shop')).status, 200),
    'a face of the default organization': async () => {
      const body = new URLSearchParams({ grant_type: 'client_credentials' });
      assert.notEqual((await get('/authorization/token', { method: 'POST', body })).status, 404);
    },
  };

  for (const [name, ask] of Object.entries(requests)) {
    for (const changed of ['shop', 'other-shop']) {
      test(`${name} after a change of ${changed} reads few nouns`, async (t) => {
        const turns: number[] = [];
        await ask();
        for (let turn = 0; turn < TIMES; turn += 1) {
          await change(changed);
          nounsRead = 0;
          turns.push(await longestTurnDuring(ask));
          assert.ok(nounsRead <= MOST_NOUNS_READ, `${nounsRead} nouns were read`);
        }
        const median = turns.sort((one, other) => one - other)[Math.floor(TIMES / 2)] as number;
        t.diagnostic(`longest turn of the loop: ${median.toFixed(2)} ms`);
        if (FIGURES) assert.ok(median < LONGEST_TURN_MS, `the loop was blocked for ${median} ms`);
      });
    }
  }

  test('the first application of the big organization is one reading', async () => {
    const view = await server.server.foundations.directory.view();
    nounsRead = 0;
    assert.equal((await view.findFirstApplication(big))?.application.name, 'other-shop');
    assert.ok(nounsRead <= MOST_NOUNS_READ, `${nounsRead} nouns were read`);
  });

  test('a start does not look at all applications', async () => {
    const { foundations } = server.server;
    nounsRead = 0;
    await foundations.followSigningAlgs();
    await findInsecureSettings(foundations.storage.directory);
    assert.ok(nounsRead <= MOST_NOUNS_READ, `${nounsRead} nouns were read`);
  });

  test('an answer names at most 2,000 applications of an organization', async (t) => {
    const view = await server.server.foundations.directory.view();
    let found = 0;
    const longest = await longestTurnDuring(async () => {
      found = (await view.findApplications(big)).length;
    });
    assert.equal(found, 2_000);
    t.diagnostic(`longest turn of the loop: ${longest.toFixed(2)} ms`);
    if (FIGURES) assert.ok(longest < LONGEST_TURN_MS, `the loop was blocked for ${longest} ms`);
  });
});
